#include "vrrp/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vrrp/intervals.hpp"

// The entry points and the timers. What an advertisement does is in engine_reception.cpp.

namespace ftfw::vrrp {
namespace {

// The best Backup that can be waiting for us: the shortest down interval there is.
constexpr std::uint8_t kHighestBackupPriority = 254;

}  // namespace

Engine::Engine(Settings settings) : settings_(std::move(settings)), legs_(settings_.routers.size()) {
  counters_.routers.resize(legs_.size());
  for (Leg& leg : legs_) leg.active_interval = settings_.advertisement_interval;
}

void Engine::start(Instant now) {
  if (state_ != State::initialize) return reclaim(now);
  released_ = peer_active_ = peer_released_ = false;
  claim_at_once_ = settings_.role_limit == RoleLimit::claim_at_start;
  if (const auto lost = first_unusable_leg()) {
    change_state(now, State::fault, {Cause::Kind::link_lost, *lost});
  } else {
    begin_listening(now, {Cause::Kind::started});
  }
}

void Engine::on_link(Instant now, std::size_t router, bool usable, std::optional<IpAddress> primary_address) {
  check_own_lateness(now);
  legs_.at(router).address = usable ? primary_address : std::nullopt;
  switch (state_) {
    case State::initialize:
      break;
    case State::backup:
    case State::active:
      if (!legs_.at(router).address) fail(now, router);
      break;
    case State::fault:
      if (!first_unusable_leg()) begin_listening(now, {Cause::Kind::link_restored, router});
      break;
  }
}

void Engine::on_timer(Instant now) {
  check_own_lateness(now);
  const auto due = next_deadline();
  if (!due || *due > now) return;
  if (state_ == State::active) {
    for (std::size_t i = 0; i < legs_.size(); ++i) {
      const Instant deadline = legs_[i].deadline;
      if (deadline > now) continue;
      advertise(now, i, settings_.priority);
      // From the deadline and not from now: a late wake-up must not stretch the rhythm.
      const Instant next = deadline + settings_.advertisement_interval;
      if (next > now) legs_[i].deadline = next;
    }
  } else if (!listen_again_when_late(now, *due)) {
    become_active(now, reason_to_claim(now));
  }
}

void Engine::set_in_sync(Instant now, bool in_sync) {
  if (in_sync == std::exchange(in_sync_, in_sync) || in_sync) return;
  sync_block_ends_ = now + settings_.sync_wait;
  if (state_ != State::backup || peer_released_ || may_preempt(now)) return;
  // The lower priorities heard so far have not restarted the down timers. From now on they do, the last
  // included.
  for (Leg& leg : legs_) {
    if (leg.last_heard) leg.deadline = std::max(leg.deadline, leg.last_heard->at + down_interval(leg));
  }
}

void Engine::release(Instant now) {
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
  arm_down_timers(now);
  change_state(now, State::backup, cause);
  const bool skip_wait = std::exchange(claim_at_once_, false) || settings_.priority == kPriorityOwner;
  if (skip_wait && may_claim()) become_active(now, Cause::Kind::claimed_at_start);
}

void Engine::become_active(Instant now, Cause::Kind kind) {
  // Ours from here on, also when stepping down later (RFC 9568 6.4.2: we send with our own interval).
  for (Leg& leg : legs_) leg.active_interval = settings_.advertisement_interval;
  peer_active_ = false;
  advertise_on_all(now, settings_.priority);
  change_state(now, State::active, {kind});
}

void Engine::fail(Instant now, std::size_t router) {
  // Whoever still hears us takes over after its skew instead of waiting for our silence on the dead leg.
  if (state_ == State::active) advertise_on_all(now, kPriorityRelease);
  change_state(now, State::fault, {Cause::Kind::link_lost, router});
}

void Engine::change_state(Instant now, State to, Cause cause) {
  const State from = std::exchange(state_, to);
  if (to == State::active) ++counters_.became_active;
  if (from == State::active) ++counters_.left_active;
  if (to == State::fault) ++counters_.faults;
  listened_again_ = false;
  last_transition_ = Transition{now, cause};
  outputs_.emplace_back(StateChanged{from, to, cause, now, last_advertisement_});
}

void Engine::advertise(Instant now, std::size_t router, std::uint8_t priority) {
  Leg& leg = legs_.at(router);
  const RouterSettings& configured = settings_.routers.at(router);
  const Advertisement advertisement{.version = settings_.version,
                                    .id = configured.id,
                                    .priority = priority,
                                    .interval = settings_.advertisement_interval,
                                    .addresses = configured.addresses,
                                    .pass = settings_.pass};
  outputs_.emplace_back(
      SendAdvertisement{router, encode(advertisement, *leg.address, multicast_group_ipv4())});
  leg.last_sent = now;
  leg.deadline = now + settings_.advertisement_interval;
  ++counters_.routers[router].sent;
  if (priority == kPriorityRelease) ++counters_.routers[router].priority_zero_sent;
}

void Engine::advertise_on_all(Instant now, std::uint8_t priority) {
  for (std::size_t i = 0; i < legs_.size(); ++i) {
    if (legs_[i].address) advertise(now, i, priority);
  }
}

void Engine::arm_down_timers(Instant now) {
  for (Leg& leg : legs_) leg.deadline = now + down_interval(leg);
}

Duration Engine::down_interval(const Leg& leg) const {
  return active_down_interval(settings_.version, settings_.priority, leg.active_interval);
}

// While Active: once the others have not heard us for their down interval, one of them is Active. Our flows
// are as old as that, so we do not fight for the claim but listen like anybody who comes back.
void Engine::check_own_lateness(Instant now) {
  if (state_ != State::active) return;
  const Duration patience =
      active_down_interval(settings_.version, kHighestBackupPriority, settings_.advertisement_interval);
  const auto oldest = std::ranges::min_element(legs_, {}, &Leg::last_sent);
  const Duration silent = now - oldest->last_sent;
  if (silent < patience) return;
  ++counters_.late_wakeups;
  tell(now, NoticeKind::lateness, static_cast<std::size_t>(oldest - legs_.begin()),
       fmt::format(
           "this machine did not run in time: no advertisement for {:.0f} ms, the others wait {:.0f} ms; "
           "giving up the claim",
           in_milliseconds(silent), in_milliseconds(patience)));
  arm_down_timers(now);
  change_state(now, State::backup, {Cause::Kind::lateness});
}

// While Backup: a down timer that fires late by more than an interval says that we slept, and not that the
// Active router is silent; its advertisements may wait in our socket. Once, so that a machine that is always
// late still takes over.
bool Engine::listen_again_when_late(Instant now, Instant due) {
  if (listened_again_ || now - due <= settings_.advertisement_interval) return false;
  listened_again_ = true;
  ++counters_.late_wakeups;
  tell(now, NoticeKind::lateness, 0,
       fmt::format(
           "this machine did not run in time: {:.0f} ms late; listening for one more interval before a claim",
           in_milliseconds(now - due)));
  for (Leg& leg : legs_) leg.deadline = now + leg.active_interval;
  return true;
}

std::optional<Instant> Engine::next_deadline() const {
  if (legs_.empty()) return std::nullopt;
  if (state_ == State::active) return std::ranges::min(legs_, {}, &Leg::deadline).deadline;
  // The group claims when the last down timer has expired.
  if (state_ == State::backup && may_claim()) return std::ranges::max(legs_, {}, &Leg::deadline).deadline;
  return std::nullopt;
}

bool Engine::may_claim() const {
  return !released_ && settings_.role_limit != RoleLimit::backup_only;
}

bool Engine::may_preempt(Instant now) const {
  return settings_.preempt && may_claim() && (in_sync_ || now >= sync_block_ends_);
}

Cause::Kind Engine::reason_to_claim(Instant now) const {
  if (peer_released_) return Cause::Kind::priority_zero;
  const bool alive = std::ranges::any_of(
      legs_, [&](const Leg& leg) { return leg.last_heard && now - leg.last_heard->at < down_interval(leg); });
  return alive ? Cause::Kind::preempted : Cause::Kind::silence;
}

std::optional<std::size_t> Engine::first_unusable_leg() const {
  const auto lost = std::ranges::find_if(legs_, [](const Leg& leg) { return !leg.address; });
  if (lost == legs_.end()) return std::nullopt;
  return static_cast<std::size_t>(lost - legs_.begin());
}

std::vector<Output> Engine::take_outputs() {
  return std::exchange(outputs_, {});
}

RouterStatus Engine::router(std::size_t index) const {
  const Leg& leg = legs_.at(index);
  return {leg.address, leg.last_heard};
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
