// The up-delay of links and tracked interfaces, as the group feels it.
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

Settings with_up_delay() {
  Settings settings = two_legs();
  settings.routers[1].up_delay = 5s;
  settings.tracked_interfaces = {{.interface = "wan", .weight = std::nullopt, .up_delay = 8s},
                                 {.interface = "lan", .weight = -60, .up_delay = 3s}};
  return settings;
}
struct WithUpDelay : Driver {
  WithUpDelay() : Driver(with_up_delay()) {
    tracked(0, true);
    tracked(1, true);
  }
};

}  // namespace

TEST_CASE("links that are up before the start are usable at once") {
  WithUpDelay node;
  node.started();
  CHECK(node.state() == State::backup);
  CHECK(node.engine.effective_priority() == 100);
  node.advance(kDown);
  CHECK(node.state() == State::active);
}

TEST_CASE("a link that comes back is usable after its up-delay, and the fault lasts until then") {
  WithUpDelay node;
  node.active();
  node.link(1, false);
  node.link(1, true);
  CHECK(node.state() == State::fault);
  CHECK(node.engine.router(1).usable_from == node.now + 5s);
  CHECK_FALSE(node.engine.router(1).address);
  CHECK(*node.engine.next_deadline() == node.now + 5s);
  node.advance(5s - 1ns);
  CHECK(node.state() == State::fault);
  node.advance(1ns);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::link_restored, 1});
  CHECK_FALSE(node.engine.router(1).usable_from);
}

TEST_CASE("a link that flaps begins its up-delay anew") {
  WithUpDelay node;
  node.active();
  node.link(1, false);
  for (int i = 0; i < 10; ++i) {
    node.link(1, true);
    node.advance(4s);
    node.link(1, false);
  }
  CHECK(node.state() == State::fault);
  CHECK(node.engine.counters().faults == 1);
}

TEST_CASE("an address that comes later than the link does not wait anew") {
  WithUpDelay node;
  node.active();
  node.link(1, false);
  node.engine.on_link(node.now, 1, true, std::nullopt);
  node.advance(5s);
  CHECK(node.state() == State::fault);
  node.link(1, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a leg without up-delay is usable at once") {
  WithUpDelay node;
  node.active();
  node.link(0, false);
  node.link(0, true);
  CHECK(node.state() == State::backup);
}

TEST_CASE("a tracked interface waits for its own up-delay: fault and weight last until then") {
  WithUpDelay node;
  node.active();
  node.tracked(0, false);
  node.tracked(1, false);
  node.tracked(0, true);
  node.tracked(1, true);
  CHECK(node.engine.effective_priority() == 40);
  node.advance(3s);
  CHECK(node.engine.effective_priority() == 100);
  CHECK(node.state() == State::fault);
  node.advance(5s - 1ns);
  CHECK(node.state() == State::fault);
  node.advance(1ns);
  CHECK(node.state() == State::backup);
  CHECK(node.last_cause() == Cause{Kind::tracked_interface_restored, 0});
}

TEST_CASE("a weight whose up-delay ends is told by an Active node at once") {
  WithUpDelay node;
  node.active();
  node.tracked(1, false);
  node.advance(500ms);
  node.tracked(1, true);
  node.forget();
  node.advance(3s);
  CHECK(node.sent.back().advertisement.priority == 100);
  CHECK(node.sent.back().at == node.now);
}

TEST_CASE("a start after a stop waits for no up-delay") {
  WithUpDelay node;
  node.active();
  node.link(1, false);
  node.link(1, true);
  node.engine.stop(node.now);
  node.advance(1s);
  node.engine.start(node.now);
  CHECK(node.state() == State::backup);
}
