// The group: what a single virtual router does by the RFC stands in tests/rfc.
#include "vrrp/engine.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"
#include "vrrp/intervals.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;
using Kind = Cause::Kind;

namespace {

const Duration kDown = active_down_interval(3, 100, 1s, 3);
const Duration kSkew = skew_time(3, 100, 1s);

}  // namespace

TEST_CASE("silence on every leg: an advertisement on each, then the change of state") {
  Driver node(two_legs());
  node.started().advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
  node.forget();
  node.advance(1ns);
  CHECK(node.state() == State::active);
  REQUIRE(node.all.size() == 3);
  CHECK(std::get<SendAdvertisement>(node.all[0]).router == 0);
  CHECK(std::get<SendAdvertisement>(node.all[1]).router == 1);
  CHECK(std::get<StateChanged>(node.all[2]).cause == Cause{Kind::silence});
  CHECK_FALSE(std::get<StateChanged>(node.all[2]).last_heard);
}

TEST_CASE("one leg that still hears the Active node holds the whole group back") {
  Driver node(two_legs());
  node.started();
  for (int i = 0; i < 20; ++i) {
    node.hear(200, 1);
    node.advance(1s);
  }
  CHECK(node.state() == State::backup);
  node.advance(kDown - 1s);
  CHECK(node.state() == State::active);
  CHECK(node.outputs<StateChanged>().back().last_heard == node.now - kDown);
}

TEST_CASE(
    "priority 0 on one leg takes the group over after the skew, although the other leg cannot hear it") {
  Driver node(two_legs());
  node.started();
  node.hear_for(3s, 200);
  node.hear(0, 1);
  node.advance(kSkew - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::priority_zero});
}

TEST_CASE("a better advertisement after a priority 0 restores the down interval") {
  Driver node(two_legs());
  node.started();
  node.hear_for(3s, 200);
  node.hear(0, 1);
  node.hear(200, 0);
  node.advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::silence});
}

TEST_CASE("a stream of priority 0 does not hold the claim back") {
  Driver node(two_legs());
  node.started();
  node.hear_for(3s, 200);
  const Instant released = node.now;
  while (node.state() == State::backup && node.now < released + 10s) {
    node.hear(0);
    node.advance(100ms);
  }
  CHECK(node.now - released < kSkew + 100ms);
}

TEST_CASE("a better advertisement on any leg takes the whole group to backup, without a priority 0") {
  Driver node(two_legs());
  node.active().hear(200, 1);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::better_advertisement, 1});
  CHECK(node.sent.empty());
  CHECK(node.outputs<ActivePeerHeard>().size() == 1);
  node.advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a losing advertisement is answered on its leg at once, and the announcements are sent again") {
  Driver node(two_legs());
  node.active().hear(50, 1);
  CHECK(node.state() == State::active);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].router == 1);
  CHECK(node.sent[0].at == node.now);
  CHECK(node.outputs<AnnounceAgain>().size() == 1);
  CHECK(node.notices() == std::vector{NoticeKind::competing_active});
  CHECK(node.engine.counters().routers[1].lower_priority_received == 1);
}

TEST_CASE(
    "a flood of losing advertisements is answered at a bounded rate, and the last one is answered too") {
  Driver node(two_legs());
  node.active();
  for (int i = 0; i < 1500; ++i) {
    node.hear(50);
    node.advance(10us);
  }
  CHECK(node.sent.size() <= 3);
  node.forget();
  node.advance(kAnswerSpacing);
  CHECK(node.sent.size() == 1);
  CHECK(node.outputs<AnnounceAgain>().empty());
  CHECK(node.engine.counters().routers[0].answers_deferred > 1400);
}

TEST_CASE("own link lost while active: priority 0 on the living legs, then fault naming the leg") {
  Driver node(two_legs());
  node.active().link(1, false);
  CHECK(node.state() == State::fault);
  CHECK(node.last_cause() == Cause{Kind::link_lost, 1});
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].router == 0);
  CHECK(node.sent[0].advertisement.priority == 0);
  CHECK(std::holds_alternative<StateChanged>(node.all.back()));
  node.forget();
  node.advance(60s);
  CHECK(node.all.empty());
  node.link(1, true);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::link_restored, 1});
  node.advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

TEST_CASE("an address lost is a leg lost; two legs lost need both back") {
  Driver node(two_legs());
  node.active();
  node.engine.on_link(node.now, 0, true, std::nullopt);
  node.link(1, false);
  CHECK(node.state() == State::fault);
  CHECK(node.engine.counters().faults == 1);
  node.link(1, true);
  CHECK(node.state() == State::fault);
  node.link(0, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a start with a leg missing is a fault that names it, and nothing is sent") {
  Driver node(two_legs());
  node.link(0, true);
  node.engine.start(node.now);
  node.drain();
  CHECK(node.state() == State::fault);
  CHECK(node.last_cause() == Cause{Kind::link_lost, 1});
  CHECK(node.sent.empty());
}

TEST_CASE("a lower priority is preempted after the remaining down time") {
  Driver node(two_legs());
  node.started();
  node.hear_for(10s, 50);
  CHECK(node.state() == State::active);
  const auto changes = node.outputs<StateChanged>();
  REQUIRE(changes.size() == 2);
  CHECK(changes[1].cause == Cause{Kind::preempted});
  CHECK(changes[1].at - changes[0].at == kDown);
}

TEST_CASE("with preempt = false a lower priority stays as long as it lives") {
  Settings settings = two_legs();
  settings.preempt = false;
  Driver node(settings);
  node.started();
  node.hear_for(60s, 50);
  CHECK(node.state() == State::backup);
  CHECK(node.notices() ==
        std::vector{NoticeKind::preemption_blocked, NoticeKind::preemption_blocked});  // one a leg
  node.advance(kDown);
  CHECK(node.state() == State::active);
}

TEST_CASE("not in sync: a living lower priority is not preempted, for at most sync_wait") {
  Settings settings = two_legs();
  settings.sync_wait = 20s;
  Driver node(settings);
  node.started();
  node.engine.set_in_sync(node.now, false);
  node.hear_for(20s, 50);
  CHECK(node.state() == State::backup);
  node.hear_for(kDown + 1s, 50);
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::preempted});
}

TEST_CASE("not in sync, learned late: the timers that ran towards a preemption are set back") {
  Driver node(two_legs());
  node.started();
  node.hear_for(3s, 50);  // the down timers have 0.6 s left
  node.engine.set_in_sync(node.now, false);
  node.advance(900ms);
  CHECK(node.state() == State::backup);
  node.hear_for(5s, 50);
  node.engine.set_in_sync(node.now, true);
  node.hear_for(kDown, 50);
  CHECK(node.state() == State::active);
}

TEST_CASE("not in sync never delays the takeover from a silent or releasing primary") {
  Driver silent(two_legs());
  silent.started();
  silent.engine.set_in_sync(silent.now, false);
  silent.hear_for(3s, 50);
  silent.advance(kDown);
  CHECK(silent.state() == State::active);

  Driver releasing(two_legs());
  releasing.started();
  releasing.hear_for(3s, 50);
  releasing.hear(0);
  releasing.engine.set_in_sync(releasing.now, false);
  releasing.advance(kSkew);
  CHECK(releasing.state() == State::active);
}

TEST_CASE("release: priority 0 on every leg, then backup; no claim until reclaim") {
  Driver node(two_legs());
  node.active();
  node.engine.release(node.now);
  node.drain();
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::released});
  REQUIRE(node.sent.size() == 2);
  CHECK(node.sent[0].advertisement.priority == 0);
  CHECK(node.sent[1].advertisement.priority == 0);
  CHECK_FALSE(node.engine.next_deadline());
  node.advance(600s);
  CHECK(node.state() == State::backup);
  node.hear(50);
  CHECK(node.outputs<ActivePeerHeard>().size() == 1);
  node.engine.reclaim(node.now);
  node.advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

TEST_CASE("release while backup sends nothing and keeps from claiming; start claims again") {
  Driver node(two_legs());
  node.started();
  node.engine.release(node.now);
  node.advance(60s);
  CHECK(node.sent.empty());
  CHECK(node.state() == State::backup);
  node.engine.start(node.now);
  node.advance(kDown);
  CHECK(node.state() == State::active);
}

TEST_CASE("a better peer heard before a release is reported again after it") {
  Driver node(two_legs());
  node.active().hear(50);
  node.engine.release(node.now);
  node.forget();
  node.drain();
  node.hear(50);
  CHECK(node.outputs<ActivePeerHeard>().size() == 1);
}

TEST_CASE("stop sends nothing and decides nothing any more") {
  Driver node(two_legs());
  node.active();
  node.engine.stop(node.now);
  node.drain();
  CHECK(node.state() == State::initialize);
  CHECK(node.last_cause() == Cause{Kind::stopped});
  CHECK(node.sent.empty());
  node.forget();
  node.hear(50);
  node.link(0, false);
  node.advance(60s);
  CHECK(node.sent.empty());
  CHECK(node.state() == State::initialize);
}

TEST_CASE("role primary skips the wait at the start, and only there") {
  Settings settings = two_legs();
  settings.role_limit = RoleLimit::claim_at_start;
  Driver node(settings);
  node.started();
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::claimed_at_start});
  node.link(0, false);
  node.link(0, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("role primary started with a leg missing does not skip the wait once a peer was heard") {
  Settings settings = two_legs();
  settings.role_limit = RoleLimit::claim_at_start;
  Driver node(settings);
  node.link(0, true);
  node.engine.start(node.now);
  node.hear(50);
  node.link(1, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("role backup never claims, whatever happens") {
  Settings settings = two_legs();
  settings.role_limit = RoleLimit::backup_only;
  Driver node(settings);
  node.started();
  CHECK_FALSE(node.engine.next_deadline());
  node.hear(0);
  node.hear_for(10s, 1);
  node.advance(60s);
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
}

TEST_CASE("equal priorities whose addresses are ordered differently on each leg settle on one Active node") {
  Driver winner(two_legs());  // 192.168.2.1 and 192.168.0.1
  winner.active();
  winner.receive(winner.advertisement(100, 0), 0, ip("192.168.2.0"));
  CHECK(winner.state() == State::active);
  winner.receive(winner.advertisement(100, 1), 1, ip("192.168.0.2"));  // greater, but leg 0 decides
  CHECK(winner.state() == State::active);

  Driver loser(two_legs());
  loser.active();
  loser.receive(loser.advertisement(100, 0), 0, ip("192.168.2.2"));
  CHECK(loser.state() == State::backup);
}

TEST_CASE("an active peer is reported when it is first heard, and again after a silence") {
  Driver node(two_legs());
  node.started();
  node.hear_for(10s, 200);
  CHECK(node.outputs<ActivePeerHeard>().size() == 1);
  CHECK(node.outputs<ActivePeerHeard>()[0].priority == 200);
  node.advance(5s);
  CHECK(node.state() == State::active);
  node.hear(200);
  CHECK(node.outputs<ActivePeerHeard>().size() == 2);
}

TEST_CASE("the rhythm of advertisements does not drift with late wake-ups") {
  Driver node(two_legs());
  node.active();
  const Instant first = *node.engine.next_deadline();
  for (int i = 0; i < 10; ++i) {
    node.now = *node.engine.next_deadline() + 7ms;
    node.engine.on_timer(node.now);
    node.drain();
  }
  CHECK(*node.engine.next_deadline() == first + 10s);
}

TEST_CASE("the status shows who was heard on each leg and what changed last") {
  Driver node(two_legs());
  node.started().hear(200, 1);
  CHECK_FALSE(node.engine.router(0).last_heard);
  CHECK(node.engine.router(1).last_heard->address == ip("192.168.0.2"));
  CHECK(node.engine.router(1).last_heard->priority == 200);
  CHECK(node.engine.router(1).address == ip("192.168.0.1"));
  CHECK(node.engine.last_transition()->cause == Cause{Kind::started});
}
