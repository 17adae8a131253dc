#include "vrrp/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// The life of the group: start, release, stop, and the changes of state. Links and priority are in
// engine_inputs.cpp, advertisements in engine_reception.cpp, time in engine_timers.cpp.

namespace ftfw::vrrp {

Engine::Engine(Settings settings)
    : settings_(std::move(settings)),
      tracking_(settings_.tracked_interfaces),
      preemption_(settings_),
      priority_(computed_priority()) {
  for (const RouterSettings& router : settings_.routers) legs_.emplace_back(settings_, router);
  counters_.routers.resize(legs_.size());
}

void Engine::start(Instant now) {
  if (state_ != State::initialize) return reclaim(now);
  released_ = peer_active_ = peer_released_ = false;
  // --role primary was told to skip the wait at the start, whatever its length; the owner never waits
  // (RFC 9568 6.4.1).
  claim_at_once_ = settings_.role_limit == RoleLimit::claim_at_start;
  const bool no_wait = claim_at_once_ || settings_.priority == kPriorityOwner;
  earliest_claim_ = no_wait ? now : now + settings_.startup_delay;
  for (Leg& leg : legs_) leg.link.settle_at_once();
  tracking_.settle_at_once();
  priority_ = computed_priority();
  if (const auto missing = obstacle()) {
    change_state(now, State::fault, *missing);
  } else {
    begin_listening(now, {Cause::Kind::started});
  }
}

void Engine::release(Instant now) {
  check_own_lateness(now);  // who slept has nothing to release: its priority 0 would disturb its successor
  released_ = true;
  peer_active_ = false;
  if (state_ != State::active) return;
  advertise_on_all(now, kPriorityRelease);
  arm_down_timers(now);
  change_state(now, State::backup, {Cause::Kind::released});
}

void Engine::reclaim(Instant now) {
  if (std::exchange(released_, false) && state_ == State::backup) arm_down_timers(now);
}

void Engine::stop(Instant now) {
  if (state_ != State::initialize) change_state(now, State::initialize, {Cause::Kind::stopped});
}

// RFC 9568 6.4.1: the owner is Active at once, everybody else listens for a down interval first.
void Engine::begin_listening(Instant now, Cause cause) {
  for (Leg& leg : legs_) leg.active_interval = settings_.advertisement_interval;
  preemption_.forget();
  arm_down_timers(now);
  change_state(now, State::backup, cause);
  const bool skip_wait = std::exchange(claim_at_once_, false) || priority_ == kPriorityOwner;
  if (skip_wait && may_claim()) become_active(now, Cause::Kind::claimed_at_start);
}

void Engine::become_active(Instant now, Cause::Kind kind) {
  // Ours from here on, also when stepping down later (RFC 9568 6.4.2: we send with our own interval).
  for (Leg& leg : legs_) leg.active_interval = settings_.advertisement_interval;
  peer_active_ = false;
  preemption_.forget();
  advertise_on_all(now, priority_);
  change_state(now, State::active, {kind});
}

void Engine::change_state(Instant now, State to, Cause cause) {
  const State from = std::exchange(state_, to);
  if (to == State::active) ++counters_.became_active;
  if (from == State::active) ++counters_.left_active;
  if (to == State::fault) ++counters_.faults;
  listened_again_ = woke_late_ = false;
  last_transition_ = Transition{now, cause};
  outputs_.emplace_back(StateChanged{from, to, cause, now, last_advertisement_});
}

std::vector<Output> Engine::take_outputs() {
  return std::exchange(outputs_, {});
}

RouterStatus Engine::router(std::size_t index) const {
  const Leg& leg = legs_.at(index);
  return {leg.address(), leg.link.usable_from(), leg.last_heard};
}

void Engine::tell(Instant now, NoticeKind kind, std::size_t router, std::string text) {
  if (legs_.at(router).notices.happens(now, kind))
    outputs_.emplace_back(Notice{kind, router, std::move(text)});
}

std::string Engine::leg_name(std::size_t router) const {
  const RouterSettings& configured = settings_.routers.at(router);
  return fmt::format("{} ({})", configured.name, configured.interface);
}

}  // namespace ftfw::vrrp
