#include "appliance/reload.hpp"

#include <fmt/format.h>

#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/base/log.hpp"

namespace ftfw {
namespace {

// A diagnostic is several lines for a terminal; the log has the first and the hint.
void log_each(const std::vector<std::string>& diagnostics) {
  for (const std::string& one : diagnostics) {
    std::string line = one.substr(0, one.find('\n'));
    if (const std::size_t hint = one.find("hint: "); hint != std::string::npos)
      line += " (" + one.substr(hint, one.find('\n', hint) - hint) + ")";
    log::warning("reload: " + line);
  }
}

std::string joined(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, ""));
}

std::string line_of(const firewall::Refusal& refusal, const PolicyInForce& policy) {
  return config::render_text({.severity = config::Severity::error,
                              .where = refusal.where,
                              .text = fmt::format("the kernel refuses {}: {}", refusal.object, refusal.text),
                              .hint = ""},
                             policy.file, policy.source);
}

}  // namespace

void Reload::request(std::optional<std::uint64_t> order) {
  if (reading_.under_way()) {
    again_ = true;
    if (order) next_askers_.push_back(*order);
    return;
  }
  // One that still waits for its turn is read again: the file may be another one by now.
  if (order) askers_.push_back(*order);
  begin();
}

void Reload::begin() {
  candidate_.reset();
  log::notice("reload: reading " + parts_.policy.now()->file);
  reading_.begin(parts_.policy.now());
}

void Reload::go_on() {
  if (reading_.under_way()) take_reading();
  if (candidate_ && !parts_.must_wait()) carry_out();
}

void Reload::take_reading() {
  auto judged = reading_.take();
  if (!judged) return;
  log_each(judged->diagnostics);
  if (!judged->candidate) return refuse(std::move(judged->diagnostics), judged->errors);
  warnings_ = std::move(judged->diagnostics);
  candidate_ = std::move(judged->candidate);
}

void Reload::carry_out() {
  loading_ = true;
  parts_.prepare();
  const Instant begun = monotonic_now();
  const firewall::LoadResult changed = change_rules();
  if (changed && changed->interrupted) return;  // candidate_ stays, and is done after what interrupted it
  loading_ = false;
  const ReloadCandidate done = *std::exchange(candidate_, std::nullopt);
  if (!changed) {
    std::vector<std::string> lines;
    for (const firewall::Refusal& refusal : changed.error()) lines.push_back(line_of(refusal, *done.policy));
    log_each(lines);
    const std::size_t errors = lines.size();
    lines.insert(lines.begin(), warnings_.begin(), warnings_.end());
    return refuse(std::move(lines), errors);
  }
  parts_.ruleset = done.rules.to;
  parts_.adopt(done.policy->config);
  parts_.policy.replace(done.policy);
  const std::string what = firewall::describe(done.rules);
  const std::string text =
      fmt::format("reloaded: {}, in {:.1f} ms", what.empty() ? "no rule is another" : what,
                  in_milliseconds(monotonic_now() - begun));
  log::notice(text);
  finish({.done = true, .report = joined(warnings_), .text = text + "\n"});
}

// The guard goes first: what it closes is closed before anything else changes. A refusal of the rules puts
// the former one back.
firewall::LoadResult Reload::change_rules() {
  const bool stands = parts_.stance() == firewall::Stance::standby;
  if (candidate_->guard && stands) {
    if (const firewall::LoadResult placed = put_up(candidate_->policy->guard); !placed) {
      put_back_guard();
      return placed;
    }
  }
  firewall::LoadResult changed = parts_.loader.reload(candidate_->rules, parts_.stance(), parts_.must_wait);
  if (!candidate_->guard || (changed && changed->interrupted)) return changed;
  // One that does not stand is only what the next step puts up.
  if (!stands) parts_.loader.use_guard(changed ? candidate_->policy->guard : parts_.policy.now()->guard);
  if (stands && !changed) put_back_guard();
  return changed;
}

firewall::LoadResult Reload::put_up(const firewall::Guard& guard) {
  parts_.loader.use_guard(guard);
  return parts_.loader.close();
}

void Reload::put_back_guard() {
  if (const firewall::LoadResult back = put_up(parts_.policy.now()->guard); !back)
    log::warning("reload: the former guard was not put back");
}

void Reload::refuse(std::vector<std::string> lines, std::size_t errors) {
  const std::string text = fmt::format("{} is not loaded: {} error{}; the running configuration stays",
                                       parts_.policy.now()->file, errors, errors == 1 ? "" : "s");
  log::warning("reload: " + text);
  finish({.invalid = true, .report = joined(lines), .text = text});
}

void Reload::finish(ControlAnswer answer) {
  for (const std::uint64_t id : std::exchange(askers_, {})) {
    answer.id = id;
    parts_.answer(answer);
  }
  if (!std::exchange(again_, false)) return;
  askers_ = std::exchange(next_askers_, {});
  begin();
}

}  // namespace ftfw
