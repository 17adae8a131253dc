#include <algorithm>
#include <utility>

#include "vrrp/engine.hpp"

// What the machine reports: links, tracked interfaces, and what changes the priority.

namespace ftfw::vrrp {

void Engine::on_link(Instant now, std::size_t router, bool usable, std::optional<IpAddress> address) {
  check_own_lateness(now);
  Leg& leg = legs_.at(router);
  leg.link.report(now, usable);
  leg.reported_address = address;
  reconsider(now, {Cause::Kind::link_restored, router});
}

void Engine::on_tracked_interface(Instant now, std::size_t tracked, bool up) {
  check_own_lateness(now);
  tracking_.report(now, tracked, up);
  tracked_interface_changed(now, tracked);
}

void Engine::set_priority_adjustment(Instant now, int adjustment) {
  check_own_lateness(now);
  adjustment_ = adjustment;
  use_priority(now);
}

void Engine::hold_at_floor(Instant now, bool hold) {
  check_own_lateness(now);
  at_floor_ = hold;
  use_priority(now);
}

void Engine::set_in_sync(Instant now, bool in_sync) {
  // The lower priorities heard so far have not restarted the down timers. From now on they do.
  if (preemption_.set_in_sync(now, in_sync) && state_ == State::backup) restart_by_last_heard(now);
}

// Up-delays that have passed by now. Before start() nothing waits for them.
void Engine::settle_links(Instant now) {
  if (state_ == State::initialize) return;
  for (std::size_t i = 0; i < legs_.size(); ++i) {
    if (legs_[i].link.settle(now)) reconsider(now, {Cause::Kind::link_restored, i});
  }
  for (std::size_t i = 0; i < tracking_.size(); ++i) {
    if (tracking_.settle(now, i)) tracked_interface_changed(now, i);
  }
}

void Engine::tracked_interface_changed(Instant now, std::size_t tracked) {
  if (tracking_.has_weight(tracked)) {
    use_priority(now);
  } else {
    reconsider(now, {Cause::Kind::tracked_interface_restored, tracked});
  }
}

// Into fault with the first obstacle, out of it with the last.
void Engine::reconsider(Instant now, Cause restored) {
  const auto missing = obstacle();
  switch (state_) {
    case State::initialize:
      break;
    case State::backup:
    case State::active:
      if (!missing) break;
      // Whoever still hears us takes over after its skew instead of waiting for our silence on the dead leg.
      if (state_ == State::active) advertise_on_all(now, kPriorityRelease);
      change_state(now, State::fault, *missing);
      break;
    case State::fault:
      if (!missing) begin_listening(now, restored);
      break;
  }
}

std::optional<Cause> Engine::obstacle() const {
  const auto leg = std::ranges::find_if(legs_, [](const Leg& one) { return !one.address(); });
  if (leg != legs_.end()) return Cause{Cause::Kind::link_lost, static_cast<std::size_t>(leg - legs_.begin())};
  if (const auto lost = tracking_.first_lost()) return Cause{Cause::Kind::tracked_interface_lost, *lost};
  return std::nullopt;
}

std::uint8_t Engine::computed_priority() const {
  return vrrp::effective_priority(settings_.priority, std::int64_t{adjustment_} + tracking_.weight(),
                                  at_floor_);
}

// Active: the others are told at once, so that the better of two is found within their down interval. Backup:
// the down timers move with the skew, and whoever is Active is judged anew.
void Engine::use_priority(Instant now) {
  const std::uint8_t before = std::exchange(priority_, computed_priority());
  if (priority_ == before) return;
  switch (state_) {
    case State::initialize:
    case State::fault:
      break;
    case State::backup:
      for (Leg& leg : legs_) leg.use_priority(now, before, priority_);
      restart_by_last_heard(now);
      break;
    case State::active:
      tell_priority(now);
      break;
  }
}

void Engine::tell_priority(Instant now) {
  for (std::size_t i = 0; i < legs_.size(); ++i) {
    const Instant earliest = legs_[i].last_sent + kAnswerSpacing;
    if (earliest <= now) {
      advertise(now, i, priority_);
    } else {
      legs_[i].deadline = std::min(legs_[i].deadline, earliest);
    }
  }
}

// What was let run until now and must be followed from now on: the down timer counts from the last
// advertisement of who is Active.
void Engine::restart_by_last_heard(Instant now) {
  if (peer_released_) return;
  for (Leg& leg : legs_) {
    if (!leg.last_heard || (leg.last_heard->priority < priority_ && may_preempt(now))) continue;
    if (leg.last_heard->at + leg.down_interval(priority_) > leg.deadline) {
      leg.arm(leg.last_heard->at, DownWait::down_interval, priority_);
    }
  }
}

}  // namespace ftfw::vrrp
