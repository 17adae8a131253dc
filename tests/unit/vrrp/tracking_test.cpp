// Tracked interfaces and the effective priority: what changes it, who is told, what the timers do.
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

// Tracks "wan" (no weight: its loss is a fault) and "lan" (-60 while it is down).
Settings tracking(std::uint8_t priority = 100) {
  Settings settings = two_legs(priority);
  settings.tracked_interfaces = {{.interface = "wan", .weight = std::nullopt},
                                 {.interface = "lan", .weight = -60}};
  return settings;
}

struct Tracker : Driver {
  explicit Tracker(const Settings& settings) : Driver(settings) {
    tracked(0, true);
    tracked(1, true);
  }
};

}  // namespace

TEST_CASE("a tracked interface without weight is like a leg: its loss is a fault that names it") {
  Tracker node(tracking());
  node.active();
  node.tracked(0, false);
  CHECK(node.state() == State::fault);
  CHECK(node.last_cause() == Cause{Kind::tracked_interface_lost, 0});
  REQUIRE(node.sent.size() == 2);  // on every leg: the peer takes over after its skew
  for (const Sent& sent : node.sent) CHECK(sent.advertisement.priority == 0);
  node.advance(60s);
  CHECK(node.state() == State::fault);
  node.tracked(0, true);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::tracked_interface_restored, 0});
  node.advance(kDown);
  CHECK(node.state() == State::active);
}

TEST_CASE("a fault of several causes ends with the last of them") {
  Tracker node(tracking());
  node.active();
  node.link(1, false);
  node.tracked(0, false);
  CHECK(node.engine.counters().faults == 1);
  node.link(1, true);
  CHECK(node.state() == State::fault);
  node.tracked(0, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a tracked interface that was never reported is down") {
  Driver node(tracking());
  node.started();
  CHECK(node.state() == State::fault);
  CHECK(node.last_cause() == Cause{Kind::tracked_interface_lost, 0});
  CHECK(node.engine.effective_priority() == 40);
}

TEST_CASE("a weight is added while the interface is down; as Active that is told on every leg at once") {
  Tracker node(tracking());
  node.active();
  node.advance(300ms);
  node.forget();
  node.tracked(1, false);
  CHECK(node.state() == State::active);
  CHECK(node.engine.effective_priority() == 40);
  REQUIRE(node.sent.size() == 2);
  for (const Sent& sent : node.sent) {
    CHECK(sent.at == node.now);
    CHECK(sent.advertisement.priority == 40);
  }
  node.forget();
  node.tracked(1, false);  // no news
  CHECK(node.sent.empty());
  node.advance(1500ms);
  CHECK(node.sent.size() == 2);  // the rhythm goes on from there
  node.tracked(1, true);
  CHECK(node.engine.effective_priority() == 100);
  CHECK(node.sent.back().advertisement.priority == 100);
}

TEST_CASE("weights, files and the floor add up and stay within 1 and 254") {
  Tracker node(tracking());
  node.started();
  node.adjust(30);
  CHECK(node.engine.effective_priority() == 130);
  node.tracked(1, false);
  CHECK(node.engine.effective_priority() == 70);
  node.adjust(1000);
  CHECK(node.engine.effective_priority() == 254);
  node.adjust(-1000);
  CHECK(node.engine.effective_priority() == 1);
  node.adjust(0);
  node.engine.hold_at_floor(node.now, true);
  CHECK(node.engine.effective_priority() == kFloorPriority);
  node.tracked(1, true);
  node.engine.hold_at_floor(node.now, false);
  CHECK(node.engine.effective_priority() == 100);
}

TEST_CASE("the owner's priority is not changed by anything") {
  Tracker node(tracking(255));
  node.started();
  node.forget();
  node.adjust(-100);
  node.tracked(1, false);
  node.engine.hold_at_floor(node.now, true);
  node.drain();
  CHECK(node.engine.effective_priority() == 255);
  CHECK(node.state() == State::active);
  CHECK(node.sent.empty());
}

TEST_CASE("the effective priority decides verdicts, skew and advertisements") {
  Driver node(two_legs(100));
  node.adjust(-50);
  node.started().advance(active_down_interval(3, 50, 1s, 3) - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  REQUIRE(node.state() == State::active);
  CHECK(node.sent.back().advertisement.priority == 50);
  node.hear(60);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a priority that flaps is told no faster than answers are, and the last value is told") {
  Driver node(two_legs());
  node.active();
  for (int i = 0; i < 999; ++i) {
    node.adjust(i % 2 == 0 ? -50 : 0);
    node.advance(10us);
  }
  CHECK(node.sent.size() <= 2 * 2);
  node.forget();
  node.advance(kAnswerSpacing);
  REQUIRE(node.sent.size() == 2);
  CHECK(node.sent[0].advertisement.priority == 50);
}

TEST_CASE("of two nodes the one whose priority falls below the other's loses within a down interval") {
  Pair pair(two_legs(150), two_legs(100));
  pair.start();
  pair.advance(10300ms);
  REQUIRE(pair.a.state() == State::active);
  pair.a.adjust(-100);
  pair.advance(kDown);
  CHECK(pair.a.state() == State::backup);
  CHECK(pair.b.state() == State::active);
  pair.a.adjust(0);  // and back
  pair.advance(active_down_interval(3, 150, 1s, 3));
  CHECK(pair.a.state() == State::active);
  CHECK(pair.b.state() == State::backup);
}

TEST_CASE("held at the floor a node gives way to everybody, but stays when it is alone") {
  Pair pair(two_legs(150), two_legs(100));
  pair.start();
  pair.advance(10s);
  pair.a.engine.hold_at_floor(pair.a.now, true);
  pair.a.drain();
  pair.advance(kDown);
  CHECK(pair.b.state() == State::active);

  Driver alone(two_legs());
  alone.active();
  alone.engine.hold_at_floor(alone.now, true);
  alone.drain();
  alone.advance(60s);
  CHECK(alone.state() == State::active);
}

TEST_CASE("a Backup raised above the living Active preempts it by its own timer, never at once") {
  Driver node(two_legs(50));
  node.started();
  node.hear_for(5s, 100);
  const Instant heard = node.now - 1s;
  node.adjust(200);
  CHECK(node.state() == State::backup);
  while (node.state() == State::backup && node.now < heard + 10s) node.hear_for(100ms, 100);
  CHECK(node.now - heard >= active_down_interval(3, 250, 1s, 3));
  CHECK(node.now - heard <= active_down_interval(3, 250, 1s, 3) + 100ms);
  CHECK(node.last_cause() == Cause{Kind::preempted});
}

TEST_CASE("raised when the timer has nearly run out, a Backup still waits its new skew") {
  Driver node(two_legs(1));
  node.started().advance(3500ms);  // of 3.996 s; with priority 254 it would have been 3.008 s
  node.adjust(253);
  CHECK(*node.engine.next_deadline() == node.now + skew_time(3, 254, 1s));
}

TEST_CASE("a priority that flaps can neither hold a takeover back nor hasten it") {
  Driver node(two_legs(100));
  node.started();
  const Instant start = node.now;
  for (int i = 0; node.state() == State::backup && i < 2000; ++i) {
    node.adjust(i % 2 == 0 ? 154 : -99);
    node.advance(3ms);
  }
  CHECK(node.now - start >= active_down_interval(3, 254, 1s, 3));
  CHECK(node.now - start <= active_down_interval(3, 1, 1s, 3) + 3ms);
}

TEST_CASE("lowered below the living Active, a Backup that was about to preempt follows it again") {
  Driver node(two_legs(150));
  node.started();
  node.hear_for(3200ms, 100);  // heard 200 ms ago; the timer has run since the start
  node.adjust(-100);
  node.advance(700ms);
  CHECK(node.state() == State::backup);
  node.hear_for(10s, 100);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a lowered priority does not call a released primary back to life") {
  Driver node(two_legs(150));
  node.started();
  node.hear_for(3s, 200);
  node.hear(0);
  node.adjust(-50);
  node.advance(skew_time(3, 100, 1s));
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::priority_zero});
}
