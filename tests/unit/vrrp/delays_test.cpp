// What makes a node wait before it claims: the delay before preempting, the delay after the start.
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

TEST_CASE("the delay begins anew after a silence, where something else kept us from claiming in it") {
  Settings settings = with_preempt_delay();
  settings.startup_delay = 60s;
  Driver node(settings);
  node.started();
  node.hear_for(19s, 50);
  node.advance(22s);
  node.hear_for(20s, 50);
  CHECK(node.state() == State::backup);
  node.hear_for(kDown + 1s, 50);
  CHECK(node.state() == State::active);
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
