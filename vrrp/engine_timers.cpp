#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vrrp/engine.hpp"

// Time: advertisements in their rhythm, claims after silence, own lateness.

namespace ftfw::vrrp {

void Engine::on_timer(Instant now) {
  check_own_lateness(now);
  settle_links(now);
  const auto due = election_deadline();
  if (!due || *due > now) return;
  if (state_ == State::active) {
    for (std::size_t i = 0; i < legs_.size(); ++i) {
      const Instant deadline = legs_[i].deadline;
      if (deadline > now) continue;
      advertise(now, i, priority_);
      // From the deadline and not from now: a late wake-up must not stretch the rhythm.
      const Instant next = deadline + settings_.advertisement_interval;
      if (next > now) legs_[i].deadline = next;
    }
  } else if (!listen_again_when_late(now, *due)) {
    become_active(now, reason_to_claim(now));
  }
}

void Engine::advertise(Instant now, std::size_t router, std::uint8_t priority) {
  Leg& leg = legs_.at(router);
  const RouterSettings& configured = settings_.routers.at(router);
  const Advertisement advertisement{.version = leg.version,
                                    .id = configured.id,
                                    .priority = priority,
                                    .interval = settings_.advertisement_interval,
                                    .addresses = configured.addresses,
                                    .pass = leg.version == 2 ? settings_.pass : std::nullopt};
  const IpAddress source = leg.address().value();
  for (const IpAddress& destination : destinations(router)) {
    outputs_.emplace_back(SendAdvertisement{
        router, encode(advertisement, source, destination, settings_.checksum), destination});
    ++counters_.routers[router].sent;
    if (priority == kPriorityRelease) ++counters_.routers[router].priority_zero_sent;
  }
  leg.last_sent = now;
  leg.deadline = now + settings_.advertisement_interval;
}

// One file serves both nodes, so the list of the unicast peers may hold ourselves.
std::vector<IpAddress> Engine::destinations(std::size_t router) const {
  const RouterSettings& configured = settings_.routers.at(router);
  if (configured.unicast.empty()) return {multicast_group(configured.family())};
  std::vector<IpAddress> peers = configured.unicast;
  std::erase(peers, legs_.at(router).address());
  return peers;
}

void Engine::advertise_on_all(Instant now, std::uint8_t priority) {
  for (std::size_t i = 0; i < legs_.size(); ++i) {
    if (legs_[i].address()) advertise(now, i, priority);
  }
}

void Engine::arm_down_timers(Instant now, DownWait wait) {
  for (Leg& leg : legs_) leg.arm(now, wait, priority_);
}

// While Active: once the others have not heard us for their down interval, one of them is Active. Our flows
// are as old as that, so we do not fight for the claim but listen for an interval; whoever took over is heard
// in it, and then we are a Backup like any other.
void Engine::check_own_lateness(Instant now, Duration asleep) {
  if (state_ != State::active) return;
  const auto late = std::ranges::find_if(legs_, [now, asleep](const Leg& leg) {
    return now - leg.last_sent + asleep >= leg.patience_of_others();
  });
  if (late == legs_.end()) return;
  ++counters_.late_wakeups;
  tell(now, NoticeKind::lateness, static_cast<std::size_t>(late - legs_.begin()),
       fmt::format(
           "this machine did not run in time: no advertisement for {:.0f} ms, the others wait {:.0f} ms; "
           "giving up the claim",
           in_milliseconds(now - late->last_sent + asleep), in_milliseconds(late->patience_of_others())));
  arm_down_timers(now, DownWait::interval_and_skew);
  change_state(now, State::backup, {Cause::Kind::lateness});
  woke_late_ = true;
}

// While Backup: a down timer that fires late by more than an interval says that we slept, and not that the
// Active router is silent; its advertisements may wait in our socket. Once, so that a machine that is always
// late still takes over.
bool Engine::listen_again_when_late(Instant now, Instant due) {
  if (listened_again_ || now - due <= settings_.advertisement_interval) return false;
  listened_again_ = woke_late_ = true;
  ++counters_.late_wakeups;
  tell(now, NoticeKind::lateness, 0,
       fmt::format(
           "this machine did not run in time: {:.0f} ms late; listening for one more interval before a claim",
           in_milliseconds(now - due)));
  arm_down_timers(now, DownWait::interval_and_skew);
  return true;
}

// The clock of the timers stood still meanwhile: as a Backup the down timers would count on as if nothing had
// been missed.
void Engine::on_suspended(Instant now, Duration asleep) {
  if (state_ == State::active) return check_own_lateness(now, asleep);
  if (state_ != State::backup || asleep <= settings_.advertisement_interval) return;
  listened_again_ = woke_late_ = true;
  ++counters_.late_wakeups;
  arm_down_timers(now);
}

std::optional<Instant> Engine::next_deadline() const {
  if (state_ == State::initialize) return std::nullopt;
  std::optional<Instant> next = earlier(election_deadline(), tracking_.next_deadline());
  for (const Leg& leg : legs_) next = earlier(next, leg.link.usable_from());
  return next;
}

std::optional<Instant> Engine::election_deadline() const {
  if (legs_.empty()) return std::nullopt;
  if (state_ == State::active) return std::ranges::min(legs_, {}, &Leg::deadline).deadline;
  if (state_ != State::backup || !may_claim()) return std::nullopt;
  // The group claims when the last down timer has expired.
  return std::max(earliest_claim_, std::ranges::max(legs_, {}, &Leg::deadline).deadline);
}

bool Engine::may_claim() const {
  return !released_ && settings_.role_limit != RoleLimit::backup_only;
}

bool Engine::may_preempt(Instant now) const {
  return may_claim() && !preemption_.block(now);
}

std::string_view Engine::waits_for(Instant now) const {
  if (state_ != State::backup || !may_claim()) return "";
  if (now < earliest_claim_) return "startup_delay has not passed";
  const bool lower_is_active = std::ranges::any_of(legs_, [&](const Leg& leg) {
    return leg.last_heard && leg.last_heard->priority < priority_ &&
           now - leg.last_heard->at < leg.down_interval(priority_);
  });
  const auto block = preemption_.block(now);
  return lower_is_active && block ? to_string(*block) : "";
}

Cause::Kind Engine::reason_to_claim(Instant now) const {
  if (peer_released_) return Cause::Kind::priority_zero;
  const bool alive = std::ranges::any_of(legs_, [&](const Leg& leg) {
    return leg.last_heard && now - leg.last_heard->at < leg.down_interval(priority_);
  });
  return alive ? Cause::Kind::preempted : Cause::Kind::silence;
}

}  // namespace ftfw::vrrp
