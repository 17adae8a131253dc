// RFC 9568 6.4 and RFC 3768 6.4: the state machine of one virtual router (a sync group of one). One case a
// requirement, named by its section. What ARP and MAC rules ask of the kernel is tested with the adapters.
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

// Active at the first instant after `wait` of silence, and not before.
void check_claims_after(Driver& node, Duration wait) {
  node.advance(wait - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

}  // namespace

TEST_CASE("RFC 9568 6.1: Skew_Time is (256 - priority) * Active_Adver_Interval / 256") {
  CHECK(skew_time(3, 100, 1s) == 609375us);
  CHECK(skew_time(3, 254, 10ms) == 78125ns);
}

TEST_CASE("RFC 9568 6.1: Active_Down_Interval is 3 * Active_Adver_Interval + Skew_Time") {
  CHECK(active_down_interval(3, 100, 1s, 3) == 3609375us);
}

TEST_CASE("RFC 3768 6.1: Skew_Time of version 2 is (256 - priority) / 256 seconds, whatever the interval") {
  CHECK(skew_time(2, 100, 1s) == 609375us);
  CHECK(skew_time(2, 100, 30s) == 609375us);
}

TEST_CASE("RFC 9568 6.4.1: the owner's priority is Active at once on startup") {
  Driver node(one_leg(255));
  node.started();
  CHECK(node.state() == State::active);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.priority == 255);
}

TEST_CASE("RFC 9568 6.4.1: any other priority starts as Backup and waits Active_Down_Interval") {
  Driver node(one_leg());
  node.started();
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
  check_claims_after(node, kDown);
}

TEST_CASE("RFC 9568 6.4.2: Backup sends nothing") {
  Driver node(one_leg());
  node.started();
  node.hear_for(30s, 200);
  CHECK(node.sent.empty());
}

TEST_CASE("RFC 9568 6.4.2: shutdown of a Backup goes to Initialize without a packet") {
  Driver node(one_leg());
  node.started();
  node.engine.stop(node.now);
  node.drain();
  CHECK(node.state() == State::initialize);
  CHECK(node.sent.empty());
  CHECK_FALSE(node.engine.next_deadline());
}

TEST_CASE("RFC 9568 6.4.2: when Active_Down_Timer fires, an advertisement is sent and the state is Active") {
  Driver node(one_leg());
  node.started();
  check_claims_after(node, kDown);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].at == node.now);
  CHECK(node.sent[0].advertisement.priority == 100);
}

TEST_CASE("RFC 9568 6.4.2: priority 0 sets Active_Down_Timer to Skew_Time") {
  Driver node(one_leg());
  node.started().hear(200);
  node.hear(0);
  check_claims_after(node, kSkew);
}

TEST_CASE("RFC 9568 6.4.2: a higher or equal priority resets Active_Down_Timer") {
  for (const int priority : {100, 101, 254, 255}) {
    Driver node(one_leg());
    node.started().advance(3s);
    node.hear(static_cast<std::uint8_t>(priority));
    check_claims_after(node, kDown);
  }
}

TEST_CASE("RFC 9568 6.4.2: with an equal priority the sender's address does not matter to a Backup") {
  Driver node(one_leg());
  node.started().advance(3s);
  node.receive(node.advertisement(100), 0, ip("192.168.2.0"));
  check_claims_after(node, kDown);
}

TEST_CASE("RFC 9568 6.4.2: a lower priority is discarded with Preempt_Mode: the timer runs on") {
  Driver node(one_leg());
  node.started().advance(3s);
  node.hear(99);
  check_claims_after(node, kDown - 3s);
}

TEST_CASE("RFC 9568 6.4.2: without Preempt_Mode a lower priority resets Active_Down_Timer") {
  Settings settings = one_leg();
  settings.preempt = false;
  Driver node(settings);
  node.started().advance(3s);
  node.hear(1);
  check_claims_after(node, kDown);
}

TEST_CASE(
    "RFC 9568 6.4.2: Active_Adver_Interval, Skew_Time and Active_Down_Interval follow the Active router's") {
  Driver node(one_leg());
  node.started();
  Advertisement fast = node.advertisement(200);
  fast.interval = 100ms;
  node.receive(fast);
  check_claims_after(node, active_down_interval(3, 100, 100ms, 3));

  Driver slow_peer(one_leg());
  slow_peer.started();
  Advertisement slow = slow_peer.advertisement(200);
  slow.interval = 5s;
  slow_peer.receive(slow);
  check_claims_after(slow_peer, active_down_interval(3, 100, 5s, 3));
}

TEST_CASE("RFC 9568 6.4.2: the skew after a priority 0 is that of the learned interval") {
  Driver node(one_leg());
  node.started();
  Advertisement fast = node.advertisement(200);
  fast.interval = 100ms;
  node.receive(fast);
  fast.priority = 0;
  node.receive(fast);
  check_claims_after(node, skew_time(3, 100, 100ms));
}

TEST_CASE("RFC 9568 6.4.2: once Active, the router sends with its own interval again") {
  Driver node(one_leg());
  node.started();
  Advertisement fast = node.advertisement(200);
  fast.interval = 100ms;
  node.receive(fast);
  node.advance(active_down_interval(3, 100, 100ms, 3));
  REQUIRE(node.state() == State::active);
  node.forget();
  node.advance(1s);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.interval == Duration(1s));
}

TEST_CASE("RFC 9568 6.4.3: an Active router advertises every Advertisement_Interval") {
  Driver node(one_leg());
  node.active();
  node.advance(10s);
  REQUIRE(node.sent.size() == 10);
  for (std::size_t i = 1; i < 10; ++i) CHECK(node.sent[i].at - node.sent[i - 1].at == Duration(1s));
}

TEST_CASE("RFC 9568 6.4.3: shutdown of an Active router sends priority 0") {
  Driver node(one_leg());
  node.active();
  node.engine.release(node.now);
  node.engine.stop(node.now);
  node.drain();
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.priority == 0);
  CHECK(node.state() == State::initialize);
}

TEST_CASE("RFC 9568 6.4.3: priority 0 is answered with an advertisement, and Adver_Timer is reset") {
  Driver node(one_leg());
  node.active().hear(0);
  CHECK(node.state() == State::active);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].at == node.now);
  CHECK(*node.engine.next_deadline() == node.now + 1s);
}

TEST_CASE("RFC 9568 6.4.3: a greater priority makes a Backup that waits Active_Down_Interval") {
  Driver node(one_leg());
  node.active().hear(101);
  CHECK(node.state() == State::backup);
  CHECK(node.sent.empty());
  check_claims_after(node, kDown);
}

TEST_CASE("RFC 9568 6.4.3: stepping down learns the new Active router's interval") {
  Driver node(one_leg());
  node.active();
  Advertisement fast = node.advertisement(101);
  fast.interval = 100ms;
  node.receive(fast);
  check_claims_after(node, active_down_interval(3, 100, 100ms, 3));
}

TEST_CASE("RFC 9568 6.4.3: an equal priority from a greater address makes a Backup") {
  Driver node(one_leg());
  node.active().receive(node.advertisement(100), 0, ip("192.168.2.2"));
  CHECK(node.state() == State::backup);
}

TEST_CASE("RFC 9568 6.4.3: an equal priority from a smaller address is discarded") {
  Driver node(one_leg());
  node.active().receive(node.advertisement(100), 0, ip("192.168.1.254"));
  CHECK(node.state() == State::active);
}

TEST_CASE("RFC 9568 6.4.3: a losing advertisement is answered immediately") {
  Driver node(one_leg());
  node.active().hear(99);
  CHECK(node.state() == State::active);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].at == node.now);
  CHECK(node.sent[0].advertisement.priority == 100);
}

TEST_CASE("RFC 9568 6.4.3: an advertisement of the router itself changes nothing") {
  Driver node(one_leg());
  node.active().receive(node.advertisement(200), 0, ip("192.168.2.1"));
  CHECK(node.state() == State::active);
  CHECK(node.sent.empty());
  CHECK(node.engine.counters().routers[0][RejectReason::own_packet] == 1);
}

TEST_CASE("RFC 3768 6.4: version 2 elects, releases and preempts with its own formulas") {
  Driver node(version_2(one_leg()));
  node.started();
  check_claims_after(node, active_down_interval(2, 100, 1s, 3));
  node.hear(200);
  CHECK(node.state() == State::backup);
  node.hear(0);
  check_claims_after(node, skew_time(2, 100, 1s));
}
