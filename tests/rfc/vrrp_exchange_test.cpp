// RFC 9568 7: receiving and sending. One case a requirement, named by its section.
// 7.2 source MAC, source address, group on the wire: tests/unit/vrrp/linux_ip_packet_test.cpp and
// linux_advertisement_socket_test.cpp. 7.4 interface identifiers are not made from the virtual MAC: the
// macvlan makes none, tested with the virtual MAC interfaces in tests/unit/vrrp.
#include <doctest/doctest.h>

#include "tests/rfc/golden.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// The node is Active; the bytes must change nothing and be counted for that reason, `times` times.
void check_discarded(Driver& node, RejectReason reason, std::uint64_t times = 1) {
  CAPTURE(to_string(reason));
  CHECK(node.state() == State::active);
  CHECK(node.sent.empty());
  CHECK(node.engine.counters().routers[0][reason] == times);
  CHECK(node.engine.counters().routers[0].accepted == 0);
}

ByteVector better(const Driver& node) {
  return encode(node.advertisement(200), node.peer_address(0), node.destination(0));
}

}  // namespace

TEST_CASE("RFC 9568 7.1: the TTL or hop limit must be 255") {
  for (const Settings& settings : {one_leg(), ipv6_leg()}) {
    Driver node(settings);
    node.active().receive_bytes(better(node), 0, node.peer_address(0), 254);
    check_discarded(node, RejectReason::wrong_ttl);
  }
}

TEST_CASE("RFC 9568 7.1: a packet of another version is discarded, and told") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.version = 2;
  node.receive(advertisement);
  check_discarded(node, RejectReason::version_mismatch);
  CHECK(node.notices() == std::vector{NoticeKind::version_mismatch});
}

TEST_CASE("RFC 9568 7.1: version 2 over IPv6 does not exist") {
  Driver node(version_2(ipv6_leg()));
  node.active();
  ByteVector pdu = better(node);
  pdu[0] = 0x21;
  node.receive_bytes(pdu, 0, node.peer_address(0));
  check_discarded(node, RejectReason::malformed);
  CHECK(node.engine.counters().routers[0][DecodeError::unknown_version] == 1);
}

TEST_CASE("RFC 9568 7.1: a packet that is no ADVERTISEMENT is discarded") {
  Driver node(one_leg());
  node.active();
  ByteVector pdu = better(node);
  pdu[0] = 0x32;
  node.receive_bytes(pdu, 0, node.peer_address(0));
  check_discarded(node, RejectReason::malformed);
}

TEST_CASE("RFC 9568 7.1: a packet that is not complete is discarded, of either family") {
  for (const Settings& settings : {one_leg(), ipv6_leg()}) {
    Driver node(settings);
    node.active();
    const ByteVector pdu = better(node);
    for (std::size_t size = 0; size < pdu.size(); ++size)
      node.receive_bytes(ByteSpan(pdu).first(size), 0, node.peer_address(0));
    check_discarded(node, RejectReason::malformed, pdu.size());
  }
}

TEST_CASE("RFC 9568 7.1: a packet with a wrong checksum is discarded, of either family") {
  for (const Settings& settings : {one_leg(), ipv6_leg()}) {
    Driver node(settings);
    node.active();
    ByteVector pdu = better(node);
    ++pdu[6];
    node.receive_bytes(pdu, 0, node.peer_address(0));
    check_discarded(node, RejectReason::malformed);
    CHECK(node.engine.counters().routers[0][DecodeError::bad_checksum] == 1);
  }
}

TEST_CASE("RFC 9568 7.1: an id that is not configured on the interface is discarded, silently") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.id = 7;
  node.receive(advertisement);
  check_discarded(node, RejectReason::other_id);
  CHECK(node.notices().empty());
}

// The section also lets the owner discard everything. We judge (6.4.3), so that two owners, a mistake of
// configuration, do not fight for ever; with a single owner it comes to the same.
TEST_CASE("RFC 9568 7.1: nothing that is not the owner's makes the owner step down") {
  Driver node(one_leg(255));
  node.started().hear(254);
  CHECK(node.state() == State::active);
  node.hear(0);
  CHECK(node.state() == State::active);
}

TEST_CASE("RFC 9568 7.1: what is discarded is told at a limited rate") {
  Driver node(one_leg());
  node.active();
  for (int i = 0; i < 1000; ++i) {
    node.receive_bytes(ByteVector(3), 0, node.peer_address(0));
    node.advance(10ms);
  }
  CHECK(node.notices() == std::vector{NoticeKind::malformed});
}

TEST_CASE("RFC 9568 7.1: another address list is told, and the packet still counts") {
  for (const Settings& settings : {one_leg(), ipv6_leg()}) {
    Driver node(settings);
    node.active();
    Advertisement advertisement = node.advertisement(200);
    advertisement.addresses.push_back(advertisement.addresses.front());
    node.receive(advertisement);
    CHECK(node.state() == State::backup);
    CHECK(node.notices() == std::vector{NoticeKind::address_mismatch});
    CHECK(node.engine.counters().routers[0].address_mismatch == 1);
  }
}

TEST_CASE("RFC 9568 7.1: another interval is no reason to discard a packet of version 3") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.interval = 300ms;
  node.receive(advertisement);
  CHECK(node.state() == State::backup);
}

TEST_CASE(
    "RFC 9568 7.2: a packet carries the version, type, id, priority, interval and addresses configured") {
  Settings settings = two_legs(77);
  settings.routers[1] = ipv6_router();
  Driver node(settings);
  node.started().advance(5s);
  REQUIRE(node.sent.size() >= 2);
  for (const Sent& sent : node.sent) CHECK(sent.advertisement == node.advertisement(77, sent.router));
}

TEST_CASE("RFC 9568 7.2: it is sent to the group of the family") {
  Settings settings = two_legs();
  settings.routers[1] = ipv6_router();
  Driver node(settings);
  node.started().advance(4s);
  REQUIRE(node.sent.size() == 2);
  CHECK(node.sent[0].destination == ip("224.0.0.18"));
  CHECK(node.sent[1].destination == ip("ff02::12"));
}

TEST_CASE("RFC 9568 7.3: the virtual router's MAC is 00-00-5E-00-01-id, over IPv6 00-00-5E-00-02-id") {
  CHECK(virtual_router_mac(Family::ipv4, 0x3d).to_string() == "00:00:5e:00:01:3d");
  CHECK(virtual_router_mac(Family::ipv6, 0xff).to_string() == "00:00:5e:00:02:ff");
}
