#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vrrp/election.hpp"
#include "vrrp/engine.hpp"

// What an advertisement does to the group.

namespace ftfw::vrrp {

void Engine::on_packet(Instant now, std::size_t router, const ReceivedPacket& packet) {
  check_own_lateness(now);
  // Also while the leg waits for its up-delay: what is sent to its address is for us.
  const auto accepted = receive(settings_, settings_.routers.at(router), legs_.at(router).reported_address,
                                packet, counters_.routers.at(router));
  if (!accepted) return drop(now, router, packet, accepted.error());
  compare_addresses(now, router, packet, accepted->addresses);
  const Advertisement& advertisement = accepted->advertisement;
  const bool news = hear(now, router, advertisement, packet.source);

  // It is Active and was while we slept: from here on we are a Backup like any other, also when we sleep
  // again.
  if (state_ == State::backup && advertisement.priority != kPriorityRelease) {
    listened_again_ = false;
    if (std::exchange(woke_late_, false)) arm_down_timers(now);
  }

  OwnClaim own = own_claim(now);
  HeardClaim heard{advertisement.priority, packet.source};
  decide_tie_by_first_leg(own, heard);
  const Verdict verdict = judge(own, heard);
  if (news || verdict == Verdict::step_down)
    outputs_.emplace_back(ActivePeerHeard{now, advertisement.priority});
  switch (verdict) {
    case Verdict::nothing:
    case Verdict::let_timer_run:
      break;
    case Verdict::await_skew:
      // It acts on all legs: the node that released is the same on all of them, and on a dead leg it could
      // not say so.
      for (Leg& leg : legs_) leg.shorten_to_skew(now, priority_);
      break;
    case Verdict::follow:
      follow(now, router, advertisement);
      break;
    case Verdict::answer:
      answer(now, router);
      break;
    case Verdict::assert_claim:
      assert_claim(now, router);
      break;
    case Verdict::step_down:
      step_down(now, router, advertisement);
      break;
  }
}

// One line per class and episode; in a flood the text is not even made.
void Engine::drop(Instant now, std::size_t router, const ReceivedPacket& packet, const Rejected& rejected) {
  const auto kind = notice_for(rejected.reason);
  if (!kind || !legs_[router].notices.happens(now, rejected)) return;
  outputs_.emplace_back(Notice{*kind, router,
                               fmt::format("{}: advertisement of {} dropped: {}", leg_name(router),
                                           packet.source.to_string(), to_string(rejected))});
}

void Engine::compare_addresses(Instant now, std::size_t router, const ReceivedPacket& packet,
                               AddressMatch match) {
  switch (match) {
    case AddressMatch::same:
      break;
    case AddressMatch::differs:
      tell(now, NoticeKind::address_mismatch, router,
           fmt::format("{}: {} advertises other virtual addresses", leg_name(router),
                       packet.source.to_string()));
      break;
    case AddressMatch::disjoint:
      tell(now, NoticeKind::duplicate_id, router,
           fmt::format("{}: {} uses id {} for virtual addresses that are none of ours", leg_name(router),
                       packet.source.to_string(), settings_.routers[router].id));
      break;
  }
}

// True if another node is heard as Active after a silence.
bool Engine::hear(Instant now, std::size_t router, const Advertisement& advertisement,
                  const IpAddress& source) {
  Leg& leg = legs_[router];
  const bool was_silent = !last_advertisement_ || now - *last_advertisement_ > leg.down_interval(priority_);
  if (was_silent) preemption_.forget();
  preemption_.hear(now, advertisement.priority, priority_);
  last_advertisement_ = now;
  peer_released_ = advertisement.priority == kPriorityRelease;
  if (peer_released_) {
    peer_active_ = false;
    return false;
  }
  claim_at_once_ = false;  // there is somebody: "skip the wait at start" is over
  leg.last_heard = Heard{now, source, advertisement.priority};
  return !std::exchange(peer_active_, true) || was_silent;
}

OwnClaim Engine::own_claim(Instant now) const {
  return {.state = state_, .priority = priority_, .address = {}, .may_preempt = may_preempt(now)};
}

// Equal priorities: the greater address wins, but the order of the addresses can differ from leg to leg, and
// then each node would lose on one leg and both step down for ever. The first leg on which that priority was
// heard decides for the group; two nodes with the same list of legs come to the same result.
void Engine::decide_tie_by_first_leg(OwnClaim& own, HeardClaim& heard) const {
  const auto deciding = std::ranges::find_if(legs_, [&](const Leg& leg) {
    return leg.address() && leg.last_heard && leg.last_heard->priority == heard.priority;
  });
  if (deciding == legs_.end()) return;
  own.address = *deciding->address();
  heard.address = deciding->last_heard->address;
}

// An advertisement acts on the timer of its own leg only; the group waits for the last leg, so one living leg
// holds it back.
void Engine::follow(Instant now, std::size_t router, const Advertisement& advertisement) {
  Leg& leg = legs_[router];
  leg.learn_interval(advertisement.interval);
  leg.arm(now, DownWait::down_interval, priority_);
  const auto block = preemption_.block(now);
  if (advertisement.priority >= priority_ || !may_claim() || !block) return;
  tell(
      now, NoticeKind::preemption_blocked, router,
      fmt::format("{}: {} is Active with priority {} below ours ({}) and stays: {}", leg_name(router),
                  leg.last_heard->address.to_string(), advertisement.priority, priority_, to_string(*block)));
}

void Engine::answer(Instant now, std::size_t router) {
  Leg& leg = legs_[router];
  if (leg.last_answer && now - *leg.last_answer < kAnswerSpacing) {
    ++counters_.routers[router].answers_deferred;
    leg.deadline = std::min(leg.deadline, *leg.last_answer + kAnswerSpacing);
  } else {
    leg.last_answer = now;
    advertise(now, router, priority_);
  }
}

void Engine::assert_claim(Instant now, std::size_t router) {
  ++counters_.routers[router].lower_priority_received;
  const Heard& loser = *legs_[router].last_heard;
  tell(now, NoticeKind::competing_active, router,
       fmt::format("{}: {} is Active too, with priority {} against ours of {}; asserting our claim",
                   leg_name(router), loser.address.to_string(), loser.priority, priority_));
  answer(now, router);
  if (announced_again_ && now - *announced_again_ < settings_.advertisement_interval) return;
  announced_again_ = now;
  outputs_.emplace_back(AnnounceAgain{});
}

void Engine::step_down(Instant now, std::size_t router, const Advertisement& advertisement) {
  legs_[router].learn_interval(advertisement.interval);
  arm_down_timers(now);
  change_state(now, State::backup, {Cause::Kind::better_advertisement, router});
}

}  // namespace ftfw::vrrp
