// How a reload meets the rest of the appliance: who may ask for it, what it waits for, what takes it over.
#include "appliance/appliance.hpp"
#include "appliance/base/clock.hpp"

namespace ftfw {

std::optional<ControlAnswer> Appliance::on_order(std::uint64_t id, const ReloadOrder&) {
  reload_.request(id);
  return std::nullopt;
}

void Appliance::read_reload() {
  reload_.go_on();
  carry_out_outputs();
}

Reload::Parts Appliance::reload_parts() {
  return {.policy = policy_,
          .ruleset = ruleset_,
          .loader = loader_,
          .stance = [this] { return steps_.stance(); },
          .must_wait =
              [this] {
                drain_vrrp();
                return coordinator_.plan_under_way();
              },
          .prepare =
              [this] {
                RulesKeeper::Outcome outcome;
                rules_keeper_.look(*ruleset_, outcome, monotonic_now());
                rules_keeper_.distrust_what_was_left(*ruleset_);
                tell(outcome);
                tell_group_state();
              },
          .adopt = [this](const config::Config& config) { rules_keeper_.set_repair(config.firewall.repair); },
          .answer = [this](ControlAnswer answer) { control_answers_.post(std::move(answer)); }};
}

bool Appliance::loading() const {
  return reload_.loading() || steps_.rules_owed() || rules_keeper_.repairing();
}

}  // namespace ftfw
