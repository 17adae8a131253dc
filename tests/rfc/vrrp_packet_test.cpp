// RFC 9568 5 and 7 and RFC 3768 5 and 7: the packet, how it is sent, what is checked when it is received. One
// case a requirement, named by its section. What the adapter does (TTL, destination, source of a real packet)
// is tested against the kernel in tests/unit/vrrp/linux_test.cpp.
#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// keepalived's packet for id 0x33 with password "d0cker", as captured by its users.
const ByteVector kGoldenVersion2{0x21, 0x33, 0x33, 0x01, 0x01, 0x01, 0xbb, 0x25, 0xc0, 0xa8,
                                 0x01, 0xee, 0x64, 0x30, 0x63, 0x6b, 0x65, 0x72, 0x00, 0x00};
// id 10, priority 200, 100 cs, 192.0.2.1 from 192.0.2.252, in both checksum forms.
const ByteVector kGoldenPseudoHeader{0x31, 0x0a, 0xc8, 0x01, 0x00, 0x64, 0xa1, 0x02, 0xc0, 0x00, 0x02, 0x01};
const ByteVector kGoldenMessageOnly{0x31, 0x0a, 0xc8, 0x01, 0x00, 0x64, 0x44, 0x8e, 0xc0, 0x00, 0x02, 0x01};

Advertisement golden_version_2() {
  return {.version = 2,
          .id = 0x33,
          .priority = 0x33,
          .interval = 1s,
          .addresses = {ip("192.168.1.238")},
          .pass = Pass{'d', '0', 'c', 'k', 'e', 'r', 0, 0}};
}
Advertisement golden_version_3() {
  return {.version = 3,
          .id = 10,
          .priority = 200,
          .interval = 1s,
          .addresses = {ip("192.0.2.1")},
          .pass = std::nullopt};
}
const IpAddress kSource = ip("192.0.2.252");

// How many packets were dropped for that reason, after one more that must change nothing.
std::uint64_t dropped(Driver& node, RejectReason reason) {
  return node.engine.counters().routers[0][reason];
}

}  // namespace

TEST_CASE("RFC 3768 5.3: keepalived's PASS packet is read and written bit by bit") {
  const auto decoded = decode(kGoldenVersion2, ip("192.168.1.2"), multicast_group_ipv4());
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_version_2());
  CHECK(encode(golden_version_2(), ip("192.168.1.2"), multicast_group_ipv4()) == kGoldenVersion2);
}

TEST_CASE("RFC 3768 5.3.8: the same packet with priority 0 has checksum ee25") {
  Advertisement advertisement = golden_version_2();
  advertisement.priority = 0;
  const ByteVector pdu = encode(advertisement, ip("192.168.1.2"), multicast_group_ipv4());
  CHECK(pdu[6] == 0xee);
  CHECK(pdu[7] == 0x25);
  CHECK(decode(pdu, ip("192.168.1.2"), multicast_group_ipv4())->advertisement == advertisement);
}

TEST_CASE("RFC 3768 5.3.10: without authentication the 8 bytes are sent as zeros and ignored when received") {
  Advertisement advertisement = golden_version_2();
  advertisement.pass.reset();
  const ByteVector pdu = encode(advertisement, kSource, multicast_group_ipv4());
  CHECK(pdu.size() == 20);
  CHECK(pdu[4] == 0);
  CHECK(std::ranges::all_of(pdu.end() - 8, pdu.end(), [](std::uint8_t byte) { return byte == 0; }));
  ByteVector filled = pdu;
  filled[19] = 1;
  filled[7] = static_cast<std::uint8_t>(filled[7] - 1);
  CHECK(decode(filled, kSource, multicast_group_ipv4())->advertisement == advertisement);
}

TEST_CASE("RFC 9568 5.2.8: the checksum over the message alone is accepted") {
  const auto decoded = decode(kGoldenMessageOnly, kSource, multicast_group_ipv4());
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_version_3());
  CHECK(decoded->checksum == ChecksumForm::message_only);
}

TEST_CASE(
    "RFC 5798 5.2.8 as keepalived and FRR read it: the pseudo-header is accepted, and is what we send") {
  const auto decoded = decode(kGoldenPseudoHeader, kSource, multicast_group_ipv4());
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_version_3());
  CHECK(decoded->checksum == ChecksumForm::pseudo_header);
  CHECK(encode(golden_version_3(), kSource, multicast_group_ipv4()) == kGoldenPseudoHeader);
}

TEST_CASE("RFC 9568 5.2.2: a packet with an unknown type is discarded") {
  ByteVector pdu = kGoldenMessageOnly;
  pdu[0] = 0x32;
  CHECK(decode(pdu, kSource, multicast_group_ipv4()).error() == DecodeError::wrong_type);
}

TEST_CASE("RFC 9568 5.2.5: a packet with a count of 0 is ignored") {
  ByteVector pdu{0x31, 0x0a, 0xc8, 0x00, 0x00, 0x64, 0x06, 0x91};
  CHECK(decode(pdu, kSource, multicast_group_ipv4()).error() == DecodeError::zero_count);
}

TEST_CASE("RFC 9568 5.2.6: the reserved bits are sent as zero and ignored on reception") {
  ByteVector pdu = kGoldenMessageOnly;
  pdu[4] = 0x10;
  pdu[6] = 0x34;  // 0x448e - 0x1000
  CHECK(decode(pdu, kSource, multicast_group_ipv4())->advertisement == golden_version_3());
}

TEST_CASE("RFC 9568 7.1: a packet whose TTL is not 255 is discarded") {
  Driver node(one_leg());
  node.active();
  const ByteVector pdu = encode(node.advertisement(200), ip("192.168.2.2"), multicast_group_ipv4());
  for (const int ttl : {0, 1, 64, 254}) {
    node.receive_bytes(pdu, 0, ip("192.168.2.2"), static_cast<std::uint8_t>(ttl));
  }
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::wrong_ttl) == 4);
}

TEST_CASE("RFC 9568 7.1: a packet of another version is discarded, and told") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.version = 2;
  node.receive(advertisement);
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::version_mismatch) == 1);
  CHECK(node.notices() == std::vector{NoticeKind::version_mismatch});
}

TEST_CASE("RFC 9568 7.1: a packet that is not complete is discarded") {
  Driver node(one_leg());
  node.active();
  const ByteVector pdu = encode(node.advertisement(200), ip("192.168.2.2"), multicast_group_ipv4());
  for (std::size_t size = 0; size < pdu.size(); ++size) {
    node.receive_bytes(ByteSpan(pdu).first(size), 0, ip("192.168.2.2"));
  }
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::malformed) == pdu.size());
}

TEST_CASE("RFC 9568 7.1: a packet with a wrong checksum is discarded") {
  Driver node(one_leg());
  node.active();
  ByteVector pdu = encode(node.advertisement(200), ip("192.168.2.2"), multicast_group_ipv4());
  ++pdu[6];
  node.receive_bytes(pdu, 0, ip("192.168.2.2"));
  CHECK(node.state() == State::active);
  CHECK(node.engine.counters().routers[0][DecodeError::bad_checksum] == 1);
}

TEST_CASE("RFC 9568 7.1: a packet for an id that is not configured on the interface is discarded, silently") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.id = 7;
  node.receive(advertisement);
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::other_id) == 1);
  CHECK(node.notices().empty());
}

TEST_CASE("RFC 9568 7.1: another address list is told, and the packet still counts") {
  Driver node(one_leg());
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.addresses.push_back(ip("192.168.2.101"));
  node.receive(advertisement);
  CHECK(node.state() == State::backup);
  CHECK(node.notices() == std::vector{NoticeKind::address_mismatch});
  CHECK(node.engine.counters().routers[0].address_mismatch == 1);
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
  Driver node(two_legs(77));
  node.started().advance(5s);
  REQUIRE(node.sent.size() >= 2);
  for (const Sent& sent : node.sent) CHECK(sent.advertisement == node.advertisement(77, sent.router));
}

TEST_CASE("RFC 3768 7.1: another type of authentication is discarded") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.pass.reset();
  node.receive(advertisement);
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::authentication_mismatch) == 1);
}

TEST_CASE("RFC 3768 7.1: another password is discarded, whichever byte differs") {
  Driver node(version_2(one_leg()));
  node.active();
  for (std::size_t i = 0; i < 8; ++i) {
    Advertisement advertisement = node.advertisement(200);
    ++advertisement.pass->at(i);
    node.receive(advertisement);
  }
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::authentication_mismatch) == 8);
}

TEST_CASE("RFC 3768 7.1: another interval is discarded in version 2, and told") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.interval = 2s;
  node.receive(advertisement);
  CHECK(node.state() == State::active);
  CHECK(dropped(node, RejectReason::interval_mismatch) == 1);
  CHECK(node.notices() == std::vector{NoticeKind::interval_mismatch});
}
