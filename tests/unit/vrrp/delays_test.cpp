// What makes a node wait: the up-delay of a link, the delay before preempting, the delay after the start.
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

Settings with_preempt_delay(Duration delay = 20s) {
  Settings settings = two_legs();
  settings.preempt_delay = delay;
  return settings;
}
Settings with_startup_delay(Duration delay = 30s) {
  Settings settings = two_legs();
  settings.startup_delay = delay;
  return settings;
}

}  // namespace

// ---- up_delay

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

// ---- preempt_delay

TEST_CASE("a lower priority is followed until it has been Active for preempt_delay, then it is preempted") {
  Driver node(with_preempt_delay());
  node.started();
  node.hear_for(20s, 50);
  CHECK(node.state() == State::backup);
  REQUIRE(node.notices() ==
          std::vector{NoticeKind::preemption_blocked, NoticeKind::preemption_blocked});  // one a leg
  CHECK(node.outputs<Notice>()[0].text.find("preempt_delay") != std::string::npos);
  node.hear_for(kDown + 1s, 50);
  CHECK(node.state() == State::active);
  CHECK(node.last_cause() == Cause{Kind::preempted});
}

TEST_CASE("the delay begins anew when a higher priority appears") {
  Driver node(with_preempt_delay());
  node.started();
  node.hear_for(19s, 50);
  node.hear(200);
  node.hear_for(19s, 50);
  CHECK(node.state() == State::backup);
  node.hear_for(1s + kDown + 1s, 50);
  CHECK(node.state() == State::active);
}

TEST_CASE("the delay never holds the takeover from a primary that is silent or releases") {
  Driver silent(with_preempt_delay());
  silent.started();
  silent.hear_for(3s, 50);
  silent.advance(kDown - 1s);
  CHECK(silent.state() == State::active);
  CHECK(silent.last_cause() == Cause{Kind::silence});

  Driver releasing(with_preempt_delay());
  releasing.started();
  releasing.hear_for(3s, 50);
  releasing.hear(0);
  releasing.advance(kSkew);
  CHECK(releasing.state() == State::active);
}

TEST_CASE("the delay begins anew after a release and after a fault") {
  Driver node(with_preempt_delay());
  node.started();
  node.hear_for(19s, 50);
  node.hear(0, 0);
  node.hear_for(5s, 50);
  CHECK(node.state() == State::backup);
  node.hear_for(14s, 50);
  node.link(0, false);
  node.link(0, true);
  node.hear_for(19s, 50);
  CHECK(node.state() == State::backup);
}

TEST_CASE("the delay counts from when the other one's priority became the lower one") {
  Driver node(with_preempt_delay());
  node.started();
  node.hear_for(60s, 150);
  node.adjust(100);
  node.hear_for(19s, 150);
  CHECK(node.state() == State::backup);
  node.hear_for(1s + kDown + 1s, 150);
  CHECK(node.state() == State::active);
}

TEST_CASE("not in sync and preempt_delay both have to be over") {
  Driver node(with_preempt_delay(5s));
  node.started();
  node.engine.set_in_sync(node.now, false);
  node.hear_for(20s, 50);
  CHECK(node.state() == State::backup);
  node.engine.set_in_sync(node.now, true);
  node.hear_for(kDown + 1s, 50);
  CHECK(node.state() == State::active);
}

// ---- startup_delay

TEST_CASE("no claim before the start-up delay, whoever is silent") {
  Driver node(with_startup_delay());
  node.started().advance(30s - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  CHECK(node.sent.size() == 2);
}

TEST_CASE("a priority 0 during the start-up delay does not shorten it; after it the skew counts again") {
  Driver node(with_startup_delay());
  node.started();
  node.hear_for(10s, 200);
  node.hear(0);
  node.advance(20s - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);

  Driver later(with_startup_delay());
  later.started();
  later.hear_for(40s, 200);
  later.hear(0);
  later.advance(kSkew);
  CHECK(later.state() == State::active);
}

TEST_CASE("a start-up delay below the down interval changes nothing") {
  Driver node(with_startup_delay(2s));
  node.started().advance(kDown - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

TEST_CASE(
    "the start-up delay counts from the start also through a fault, and a lateness is measured from its "
    "end") {
  Driver node(with_startup_delay());
  node.link(0, true);
  node.engine.start(node.now);
  node.advance(20s);
  node.link(1, true);
  CHECK(node.state() == State::backup);
  node.advance(10s - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  CHECK(node.engine.counters().late_wakeups == 0);
}

TEST_CASE("the owner and --role primary do not wait") {
  Settings owner = with_startup_delay();
  owner.priority = 255;
  CHECK(Driver(owner).started().state() == State::active);
  Settings primary = with_startup_delay();
  primary.role_limit = RoleLimit::claim_at_start;
  CHECK(Driver(primary).started().state() == State::active);
}

TEST_CASE("a node that claims again later does not wait for the start-up delay anew") {
  Driver node(with_startup_delay());
  node.started().advance(60s);
  node.hear(200);
  node.advance(kDown);
  CHECK(node.state() == State::active);
}
