#include "appliance/reload_reading.hpp"

#include <algorithm>
#include <utility>

#include "appliance/live_change.hpp"
#include "appliance/machine.hpp"
#include "appliance/policy_check.hpp"
#include "appliance/realtime.hpp"
#include "config/element_file.hpp"
#include "config/load.hpp"
#include "config/secrets.hpp"
#include "config/source_file.hpp"
#include "firewall/guard.hpp"
#include "firewall/listing.hpp"

namespace ftfw {
namespace {

using config::Diagnostic;
using config::DiagnosticList;
using config::Severity;

// What the machine has to say: a policy that would cut the pair itself, an interface that is not there.
void judge_machine(const config::Config& config, DiagnosticList& list) {
  const auto machine = read_machine();
  if (!machine) {
    list.error({}, machine.error().text);
    return;
  }
  check_policy(config, *machine, list);
  for (const config::InterfaceUse& use : missing_interfaces(config, *machine)) {
    if (use.essential) {
      list.error(use.where, describe_missing(use));
    } else {
      list.warning(use.where, describe_missing(use));
    }
  }
}

bool same_guard(const firewall::Guard& from, const firewall::Guard& to) {
  const auto text = [](const firewall::Guard& guard) {
    firewall::Table table = guard.table;
    table.chains = {guard.closed, guard.shield};
    return firewall::to_nft({std::move(table)});
  };
  return text(from) == text(to);
}

}  // namespace

std::shared_ptr<const firewall::Ruleset> ruleset_of(const std::shared_ptr<const PolicyInForce>& policy) {
  return {policy, &policy->ruleset};
}

JudgedReload judge_reload(const ReloadSurroundings& surroundings,
                          const std::shared_ptr<const PolicyInForce>& running) {
  JudgedReload judged;
  const auto file = config::read_source_file(running->file);
  const auto tell = [&](const std::vector<Diagnostic>& diagnostics) {
    for (const Diagnostic& one : diagnostics) {
      judged.diagnostics.push_back(
          config::render_text(one, running->file, file ? file->text : std::string()));
      judged.errors += one.severity == Severity::error ? 1 : 0;
    }
  };
  if (!file) {
    tell({{Severity::error, {}, file.error().text, ""}});
    return judged;
  }
  config::Loaded loaded = config::load(file->text, config::read_element_file);
  if (!loaded.config) {
    tell(loaded.diagnostics);
    return judged;
  }
  DiagnosticList list;
  for (Diagnostic& one : loaded.diagnostics)
    list.warning(one.where, std::move(one.text), std::move(one.hint));
  judge_machine(*loaded.config, list);
  check_live(running->config, *loaded.config, file->text, list);
  tell(list.in_file_order());
  if (list.has_errors()) return judged;

  PolicyInForce next{.config = *std::move(loaded.config),
                     .ruleset = {},
                     .guard = {},
                     .file = running->file,
                     .source = config::mask_secrets(file->text)};
  next.ruleset = firewall::build_ruleset(next.config, surroundings.capabilities);
  next.guard = firewall::build_guard(next.config);
  const auto policy = std::make_shared<const PolicyInForce>(std::move(next));
  judged.candidate = ReloadCandidate{.policy = policy,
                                     .rules = firewall::compare(ruleset_of(running), ruleset_of(policy)),
                                     .guard = !same_guard(running->guard, policy->guard)};
  return judged;
}

void ReloadReading::begin(std::shared_ptr<const PolicyInForce> running) {
  under_way_ = true;
  thread_ = std::jthread([this, running = std::move(running)] {
    name_this_thread("ftfw-reload");
    done_.try_post(judge_reload(surroundings_, running));
  });
}

std::optional<JudgedReload> ReloadReading::take() {
  done_.clear_wakeups();
  auto judged = done_.take();
  if (judged) under_way_ = false;
  return judged;
}

}  // namespace ftfw
