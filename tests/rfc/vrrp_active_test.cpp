// RFC 9568 6.4.3: Active of one virtual router (a sync group of one), with IPv4 and with IPv6. One case a
// requirement. What it asks of the kernel:
//   answers to ARP and neighbour solicitations    the addresses stand:
//   tests/unit/vrrp/linux_virtual_addresses_test.cpp with the virtual MAC                          the
//   virtual MAC interfaces in tests/unit/vrrp member of the solicited-node group            the kernel joins
//   it with the address packets for the virtual MAC are forwarded     tests/netns/takeover_test.cpp
//   Accept_Mode                                   always true: an address that stands is answered, as far as
//   the
//                                                 firewall policy lets it
//   router advertisements                         left to a routing daemon
#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"
#include "vrrp/intervals.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

const Duration kDown = active_down_interval(3, 100, 1s, 3);

void check_claims_after(Driver& node, Duration wait) {
  node.advance(wait - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

}  // namespace

TEST_CASE("RFC 9568 6.4.3: an Active router advertises every Advertisement_Interval") {
  for (const Settings& settings : {one_leg(), ipv6_leg()}) {
    Driver node(settings);
    node.active();
    node.advance(10s);
    REQUIRE(node.sent.size() == 10);
    for (std::size_t i = 1; i < 10; ++i) CHECK(node.sent[i].at - node.sent[i - 1].at == Duration(1s));
  }
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

TEST_CASE("RFC 9568 6.4.3: over IPv6 the link-local addresses decide between equal priorities") {
  Driver node(ipv6_leg());
  node.active().receive(node.advertisement(100), 0, ip("fe80::"));
  CHECK(node.state() == State::active);
  node.receive(node.advertisement(100), 0, ip("fe80::1:0:0:1"));
  CHECK(node.state() == State::backup);
}

TEST_CASE("RFC 9568 6.4.3: after a losing advertisement the addresses are announced again") {
  Driver node(ipv6_leg());
  node.active().hear(99);
  CHECK(node.outputs<AnnounceAgain>().size() == 1);
}

TEST_CASE("RFC 9568 6.4.3: two owners, a mistake, settle by their addresses") {
  Pair pair(one_leg(255), one_leg(255));
  pair.start();
  pair.advance(5s);
  CHECK(pair.a.state() == State::backup);  // 192.168.2.1
  CHECK(pair.b.state() == State::active);  // 192.168.2.2
}
