#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vrrp/election.hpp"
#include "vrrp/engine.hpp"
#include "vrrp/intervals.hpp"

// What an advertisement does to the group.

namespace ftfw::vrrp {

void Engine::on_packet(Instant now, std::size_t router, const ReceivedPacket& packet) {
  check_own_lateness(now);
  const auto accepted = receive(settings_, settings_.routers.at(router), legs_.at(router).address, packet,
                                counters_.routers.at(router));
  if (!accepted) {
    if (const auto kind = notice_for(accepted.error())) {
      tell(now, *kind, router,
           fmt::format("{}: advertisement of {} dropped: {}", leg_name(router), packet.source.to_string(),
                       to_string(accepted.error())));
    }
    return;
  }
  const Advertisement& advertisement = accepted->advertisement;
  switch (accepted->addresses) {
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
                       packet.source.to_string(), advertisement.id));
      break;
  }
  const bool news = hear(now, router, advertisement, packet.source);

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
      shorten_to_skew(now);
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

// True if another node is heard as Active after a silence.
bool Engine::hear(Instant now, std::size_t router, const Advertisement& advertisement,
                  const IpAddress& source) {
  Leg& leg = legs_[router];
  const bool was_silent = !last_advertisement_ || now - *last_advertisement_ > down_interval(leg);
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
  return {.state = state_, .priority = settings_.priority, .address = {}, .may_preempt = may_preempt(now)};
}

// Equal priorities: the greater address wins, but the order of the addresses can differ from leg to leg, and
// then each node would lose on one leg and both step down for ever. The first leg on which that priority was
// heard decides for the group; two nodes with the same list of legs come to the same result.
void Engine::decide_tie_by_first_leg(OwnClaim& own, HeardClaim& heard) const {
  const auto deciding = std::ranges::find_if(legs_, [&](const Leg& leg) {
    return leg.address && leg.last_heard && leg.last_heard->priority == heard.priority;
  });
  if (deciding == legs_.end()) return;
  own.address = *deciding->address;
  heard.address = deciding->last_heard->address;
}

// An advertisement acts on the timer of its own leg only; the group waits for the last leg, so one living leg
// holds it back.
void Engine::follow(Instant now, std::size_t router, const Advertisement& advertisement) {
  Leg& leg = legs_[router];
  learn_interval(leg, advertisement);
  leg.deadline = now + down_interval(leg);
  if (advertisement.priority >= settings_.priority || !may_claim()) return;
  tell(now, NoticeKind::preemption_blocked, router,
       fmt::format("{}: {} is Active with priority {} below ours ({}) and stays: {}", leg_name(router),
                   leg.last_heard->address.to_string(), advertisement.priority, settings_.priority,
                   settings_.preempt ? "not in sync with it yet" : "preempt = false"));
}

// A priority 0 acts on all legs: the node that released is the same on all of them, and on a dead leg it
// could not say so. Only ever shortens: a stream of priority 0 must not hold a claim back.
void Engine::shorten_to_skew(Instant now) {
  for (Leg& leg : legs_) {
    leg.deadline =
        std::min(leg.deadline, now + skew_time(settings_.version, settings_.priority, leg.active_interval));
  }
}

void Engine::answer(Instant now, std::size_t router) {
  Leg& leg = legs_[router];
  if (leg.last_answer && now - *leg.last_answer < kAnswerSpacing) {
    ++counters_.routers[router].answers_deferred;
    leg.deadline = std::min(leg.deadline, *leg.last_answer + kAnswerSpacing);
  } else {
    leg.last_answer = now;
    advertise(now, router, settings_.priority);
  }
}

void Engine::assert_claim(Instant now, std::size_t router) {
  ++counters_.routers[router].lower_priority_received;
  const Heard& loser = *legs_[router].last_heard;
  tell(now, NoticeKind::competing_active, router,
       fmt::format("{}: {} is Active too, with priority {} against ours of {}; asserting our claim",
                   leg_name(router), loser.address.to_string(), loser.priority, settings_.priority));
  answer(now, router);
  if (announced_again_ && now - *announced_again_ < settings_.advertisement_interval) return;
  announced_again_ = now;
  outputs_.emplace_back(AnnounceAgain{});
}

void Engine::step_down(Instant now, std::size_t router, const Advertisement& advertisement) {
  learn_interval(legs_[router], advertisement);
  arm_down_timers(now);
  change_state(now, State::backup, {Cause::Kind::better_advertisement, router});
}

// RFC 9568 6.4.2: version 3 learns Active_Adver_Interval; in version 2 all are the same or dropped.
void Engine::learn_interval(Leg& leg, const Advertisement& advertisement) const {
  if (settings_.version == 3) leg.active_interval = advertisement.interval;
}

}  // namespace ftfw::vrrp
