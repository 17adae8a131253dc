#include "appliance/failover/plan.hpp"

#include <array>

namespace ftfw::failover {
namespace {

// The advertisement goes out before the first step: others must know. Flows and rules are there before the
// addresses attract traffic, because a packet of an unknown flow would be answered by a reset.
constexpr std::array kTakeOver{
    PlannedStep{Step::activate_rules, OnFailure::withdraw},
    PlannedStep{Step::commit},
    PlannedStep{Step::add_addresses, OnFailure::withdraw},
    PlannedStep{Step::add_routes},
    PlannedStep{Step::announce},
    PlannedStep{Step::become_source},
    PlannedStep{Step::lower_shield},
};

// Neighbours keep our MAC until the other node's gratuitous ARP, so closing before it is heard loses packets.
constexpr std::array kHandOver{
    PlannedStep{Step::remove_addresses}, PlannedStep{Step::release_claim}, PlannedStep{Step::await_peer},
    PlannedStep{Step::standby_rules},    PlannedStep{Step::remove_routes}, PlannedStep{Step::become_replica},
};

// Somebody else is primary already (or we slept): the addresses go first, then everything closes at once.
constexpr std::array kGiveWay{
    PlannedStep{Step::remove_addresses},
    PlannedStep{Step::standby_rules},
    PlannedStep{Step::remove_routes},
    PlannedStep{Step::become_replica},
};

// A lone node that was restarted must not take its addresses away: nobody else serves them. They are adopted
// with the claim, or removed as soon as another node is heard as Active.
constexpr std::array kStandBy{
    PlannedStep{Step::standby_rules},
    PlannedStep{Step::become_replica},
};

constexpr std::array kWithdraw{
    PlannedStep{Step::remove_addresses}, PlannedStep{Step::release_claim},  PlannedStep{Step::standby_rules},
    PlannedStep{Step::remove_routes},    PlannedStep{Step::become_replica},
};

}  // namespace

std::span<const PlannedStep> steps_of(Transition transition) {
  switch (transition) {
    case Transition::take_over:
      return kTakeOver;
    case Transition::hand_over:
      return kHandOver;
    case Transition::stand_by:
      return kStandBy;
    case Transition::give_way:
    case Transition::fault:
      return kGiveWay;
    case Transition::withdraw:
      return kWithdraw;
  }
  return {};
}

std::string_view name_of(Role role) {
  switch (role) {
    case Role::starting:
      return "starting";
    case Role::backup:
      return "backup";
    case Role::primary:
      return "primary";
    case Role::fault:
      return "fault";
  }
  return "?";
}

std::string_view name_of(Step step) {
  switch (step) {
    case Step::activate_rules:
      return "rules";
    case Step::commit:
      return "commit";
    case Step::add_addresses:
      return "addresses";
    case Step::add_routes:
      return "routes";
    case Step::announce:
      return "announced";
    case Step::become_source:
      return "source";
    case Step::lower_shield:
      return "shield lowered";
    case Step::remove_addresses:
      return "addresses removed";
    case Step::release_claim:
      return "priority 0";
    case Step::await_peer:
      return "peer heard";
    case Step::standby_rules:
      return "rules asleep";
    case Step::remove_routes:
      return "routes removed";
    case Step::become_replica:
      return "replica";
  }
  return "?";
}

std::string_view name_of(Transition transition) {
  switch (transition) {
    case Transition::stand_by:
      return "stand by";
    case Transition::take_over:
      return "take over";
    case Transition::hand_over:
      return "hand over";
    case Transition::give_way:
      return "give way";
    case Transition::fault:
      return "fault";
    case Transition::withdraw:
      return "withdraw";
  }
  return "?";
}

}  // namespace ftfw::failover
