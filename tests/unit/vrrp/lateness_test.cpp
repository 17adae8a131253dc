// Own lateness: a node that was not run in time has been replaced, or was about to replace somebody wrongly.
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

TEST_CASE("an active node that slept longer than the others wait gives up its claim and listens") {
  Driver node(two_legs());
  node.active();
  node.sleep(3100ms);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::lateness});
  CHECK(node.sent.empty());
  CHECK(node.notices() == std::vector{NoticeKind::lateness});
}

TEST_CASE("after its lateness a node that hears nobody is Active again after an interval and its skew") {
  Driver node(two_legs());
  node.active();
  node.sleep(3100ms);
  node.forget();
  node.advance(1s + kSkew - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  // The whole plan runs again, announcements included.
  REQUIRE(node.outputs<StateChanged>().size() == 1);
  CHECK(node.last_cause() == Cause{Kind::silence});
}

TEST_CASE("whoever took over while we slept is heard in that interval, and preempted like anybody else") {
  Driver node(two_legs());
  node.active();
  node.sleep(3100ms);
  node.advance(900ms);
  node.hear(50);
  node.advance(kDown - 1ns);  // every leg counts anew, also the one on which nobody is heard
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::silence});
}

TEST_CASE("a better node that took over while we slept stays") {
  Driver node(two_legs());
  node.active();
  node.sleep(10s);
  node.hear_for(30s, 200);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a priority 0 after our lateness shortens the listening to the skew") {
  Driver node(two_legs());
  node.active();
  node.sleep(3100ms);
  node.hear(0);
  node.advance(kSkew);
  CHECK(node.state() == State::active);
}

TEST_CASE("the patience of the others follows the multiplier and the interval") {
  Settings settings = two_legs();
  settings.missed_advertisements = 10;
  settings.advertisement_interval = 100ms;
  Driver node(settings);
  node.started().advance(2s);
  const Instant sent = *node.engine.next_deadline() - 100ms;
  node.sleep(sent + 10 * 100ms + skew_time(3, 254, 100ms) - 1ns - node.now);
  CHECK(node.state() == State::active);
  const Instant again = node.now;
  node.sleep(10 * 100ms + skew_time(3, 254, 100ms));
  CHECK(node.now - again > 1s);
  CHECK(node.state() == State::backup);
}

TEST_CASE("what the others wait for is our interval, also when we had learned a longer one") {
  Driver node(two_legs());
  node.started();
  Advertisement slow = node.advertisement(200);
  slow.interval = 10s;
  node.receive(slow, 0);
  slow = node.advertisement(200, 1);
  slow.interval = 10s;
  node.receive(slow, 1);
  node.advance(active_down_interval(3, 100, 10s, 3));
  REQUIRE(node.state() == State::active);
  node.sleep(3100ms);
  CHECK(node.state() == State::backup);
}

TEST_CASE("the leg with the least patient others decides: version 2 has a shorter skew at long intervals") {
  Settings settings = version_2(two_legs());
  settings.advertisement_interval = 100s;
  settings.routers[1] = ipv6_router();
  Driver node(settings);
  node.active();
  const Instant sent = *node.engine.next_deadline() - 100s;
  node.sleep(sent + active_down_interval(2, 254, 100s, 3) - node.now);
  CHECK(node.state() == State::backup);
}

TEST_CASE("lateness is noticed before a change of priority is told") {
  Driver node(two_legs());
  node.active();
  node.now += 10s;
  node.adjust(-50);
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
}

TEST_CASE("two nodes suspended together settle: the better one first, without a fight") {
  Pair pair(two_legs(150), two_legs(100));
  pair.start();
  pair.advance(10s);
  REQUIRE(pair.a.state() == State::active);
  pair.a.forget();
  pair.b.forget();
  pair.a.sleep(60s);
  pair.b.sleep(60s);
  CHECK(pair.a.state() == State::backup);
  CHECK(pair.b.state() == State::backup);
  pair.advance(1s + skew_time(3, 150, 1s));
  CHECK(pair.a.state() == State::active);
  pair.advance(10s);
  CHECK(pair.b.state() == State::backup);
  CHECK(pair.b.engine.counters().became_active == 0);
}

TEST_CASE("an active node that slept less goes on") {
  Driver node(two_legs());
  node.active();
  node.sleep(2500ms);  // the last advertisement is 0.39 s old at the start
  CHECK(node.state() == State::active);
  CHECK(node.sent.size() == 2);
  CHECK(*node.engine.next_deadline() == node.now + 1s);
}

TEST_CASE("lateness is noticed on a packet too, and the packet is judged as backup") {
  Driver node(two_legs());
  node.active();
  node.now += 10s;
  node.hear(50);
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
}

TEST_CASE("a backup that slept listens once more before it claims") {
  Driver node(two_legs());
  node.started();
  node.hear_for(2s, 200);
  node.sleep(60s);
  CHECK(node.state() == State::backup);
  node.hear(200, 0);  // it was waiting in the socket
  node.hear(200, 1);
  node.advance(2s);
  CHECK(node.state() == State::backup);

  node.sleep(60s);
  CHECK(node.state() == State::backup);  // the Active router was heard in between: the grace is a new one
  node.sleep(60s);
  CHECK(node.state() == State::active);  // no grace twice: a machine that is always late still takes over
}

TEST_CASE("an active node that slept releases nothing: its successor must not be disturbed") {
  Driver node(two_legs());
  node.active();
  node.now += 10s;
  node.engine.release(node.now);
  node.drain();
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
}

TEST_CASE("a backup that slept announces itself like after any takeover when it becomes Active") {
  Driver node(two_legs());
  node.started();
  node.hear_for(2s, 200);
  node.sleep(60s);
  node.forget();
  node.advance(1s + kSkew);
  CHECK(node.state() == State::active);
  CHECK(node.sent.size() == 2);
  CHECK(node.outputs<StateChanged>().size() == 1);
}

TEST_CASE("a suspension during which the clock stood still counts like lateness") {
  Driver active(two_legs());
  active.active();
  active.engine.on_suspended(active.now, 2s);
  active.drain();
  CHECK(active.state() == State::active);
  active.engine.on_suspended(active.now, 3100ms);
  active.drain();
  CHECK(active.state() == State::backup);
  CHECK(active.last_cause() == Cause{Kind::lateness});
  CHECK(active.sent.empty());

  Driver backup(two_legs());
  backup.started();
  backup.advance(kDown - 100ms);
  backup.engine.on_suspended(backup.now, 60s);
  backup.advance(kDown - 1ns);
  CHECK(backup.state() == State::backup);
  backup.advance(1ns);
  CHECK(backup.state() == State::active);
}
