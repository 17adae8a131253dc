// RFC 9568 5: the packet. One case a requirement, named by its section. The IP header is made by the kernel
// or vrrp/linux/ip_packet: TTL and hop limit 255, protocol 112, source and destination of real packets are
// tested in tests/unit/vrrp/linux_ip_packet_test.cpp and linux_advertisement_socket_test.cpp.
#include <doctest/doctest.h>

#include "tests/rfc/golden.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

const IpAddress kGroup = multicast_group(Family::ipv4);
const IpAddress kGroup6 = multicast_group(Family::ipv6);

std::optional<DecodeError> error_of(const ByteVector& pdu) {
  const auto decoded = decode(pdu, kGoldenSource, kGroup);
  if (decoded) return std::nullopt;
  return decoded.error();
}

}  // namespace

TEST_CASE("RFC 9568 5.1.1.2 and 5.1.2.2: the groups are 224.0.0.18 and ff02::12") {
  CHECK(kGroup == ip("224.0.0.18"));
  CHECK(kGroup6 == ip("ff02::12"));
}

TEST_CASE(
    "RFC 9568 5.1.1.1 and 5.1.2.1: the checksum is of the leg's primary or link-local address as source") {
  Driver four(one_leg());
  four.started().advance(4s);
  const auto sent = four.outputs<SendAdvertisement>();
  REQUIRE(sent.size() == 1);
  CHECK(decode(sent[0].packet, four.own_address(0), kGroup)->checksum == ChecksumForm::pseudo_header);
  CHECK_FALSE(decode(sent[0].packet, ip("192.168.2.100"), kGroup));

  Driver six(ipv6_leg());
  six.started().advance(4s);
  const auto sent6 = six.outputs<SendAdvertisement>();
  REQUIRE(sent6.size() == 1);
  CHECK(decode(sent6[0].packet, six.own_address(0), kGroup6));
  CHECK_FALSE(decode(sent6[0].packet, ip("fe80::100"), kGroup6));
}

TEST_CASE("RFC 9568 5.1.2.1: an IPv6 packet whose source is not link-local is discarded") {
  Driver node(ipv6_leg());
  node.active().receive(node.advertisement(200), 0, ip("2001:db8::2"));
  CHECK(node.state() == State::active);
  CHECK(node.engine.counters().routers[0][RejectReason::source_not_link_local] == 1);
}

TEST_CASE("RFC 9568 5.1.1.3 and 5.1.2.3: a packet whose TTL or hop limit is not 255 is discarded") {
  for (const Settings& settings : {one_leg(), ipv6_leg(), unicast_leg()}) {
    Driver node(settings);
    node.active();
    const ByteVector pdu = encode(node.advertisement(200), node.peer_address(0), node.destination(0));
    for (const int ttl : {0, 1, 64, 254})
      node.receive_bytes(pdu, 0, node.peer_address(0), static_cast<std::uint8_t>(ttl));
    CHECK(node.state() == State::active);
    CHECK(node.engine.counters().routers[0][RejectReason::wrong_ttl] == 4);
  }
}

TEST_CASE("RFC 9568 5.2: the golden packet over IPv4 is read and written bit by bit") {
  CHECK(decode(kGoldenPseudoHeader, kGoldenSource, kGroup)->advertisement == golden_version_3());
  CHECK(encode(golden_version_3(), kGoldenSource, kGroup) == kGoldenPseudoHeader);
}

TEST_CASE("RFC 9568 5.2: the golden packet over IPv6 is read and written bit by bit") {
  const auto decoded = decode(kGoldenIpv6, kGoldenIpv6Source, kGroup6);
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_ipv6());
  CHECK(decoded->checksum == ChecksumForm::pseudo_header);
  CHECK(encode(golden_ipv6(), kGoldenIpv6Source, kGroup6) == kGoldenIpv6);
}

TEST_CASE("RFC 9568 5.2: the golden packet to one peer is read and written bit by bit") {
  CHECK(decode(kGoldenUnicast, kGoldenSource, kGoldenPeer)->checksum == ChecksumForm::pseudo_header);
  CHECK(encode(golden_version_3(), kGoldenSource, kGoldenPeer) == kGoldenUnicast);
  // Old keepalived: sent to the peer, summed with the group.
  CHECK(decode(kGoldenPseudoHeader, kGoldenSource, kGoldenPeer)->checksum ==
        ChecksumForm::pseudo_header_of_group);
  CHECK(encode(golden_version_3(), kGoldenSource, kGoldenPeer, ChecksumForm::pseudo_header_of_group) ==
        kGoldenPseudoHeader);
}

TEST_CASE("RFC 9568 5.2.1: version 3 is sent; another version is discarded") {
  CHECK(kGoldenPseudoHeader[0] == 0x31);  // and type 1
  for (const int version : {0, 1, 4, 15}) {
    ByteVector pdu = kGoldenMessageOnly;
    pdu[0] = static_cast<std::uint8_t>(version << 4 | 1);
    CHECK(error_of(pdu) == DecodeError::unknown_version);
  }
}

TEST_CASE("RFC 9568 5.2.2: a packet with an unknown type is discarded") {
  for (const int type : {0, 2, 15}) {
    ByteVector pdu = kGoldenMessageOnly;
    pdu[0] = static_cast<std::uint8_t>(0x30 | type);
    CHECK(error_of(pdu) == DecodeError::wrong_type);
  }
}

TEST_CASE("RFC 9568 5.2.3: the id is 1 to 255; 0 is none") {
  ByteVector pdu = kGoldenMessageOnly;
  pdu[1] = 0;
  pdu[7] = 0x98;  // 0x448e + 0x0a
  CHECK(error_of(pdu) == DecodeError::zero_id);
}

TEST_CASE("RFC 9568 5.2.4: priority 0 and 255 are carried like any other") {
  for (const int priority : {0, 1, 100, 254, 255}) {
    Advertisement advertisement = golden_version_3();
    advertisement.priority = static_cast<std::uint8_t>(priority);
    const ByteVector pdu = encode(advertisement, kGoldenSource, kGroup);
    CHECK(pdu[2] == priority);
    CHECK(decode(pdu, kGoldenSource, kGroup)->advertisement == advertisement);
  }
}

TEST_CASE("RFC 9568 5.2.5: a packet with a count of 0 is ignored") {
  CHECK(error_of({0x31, 0x0a, 0xc8, 0x00, 0x00, 0x64, 0x06, 0x91}) == DecodeError::zero_count);
}

TEST_CASE("RFC 9568 5.2.6: the reserved bits are sent as zero and ignored on reception") {
  ByteVector pdu = kGoldenMessageOnly;
  pdu[4] = 0x10;
  pdu[6] = 0x34;  // 0x448e - 0x1000
  CHECK(decode(pdu, kGoldenSource, kGroup)->advertisement == golden_version_3());
  Advertisement longest = golden_version_3();
  longest.interval = 40950ms;
  CHECK(encode(longest, kGoldenSource, kGroup)[4] == 0x0f);
}

TEST_CASE("RFC 9568 5.2.7: the interval is 12 bits of centiseconds, 10 ms to 40.95 s; 0 is discarded") {
  struct Row {
    Duration interval;
    int high;
    int low;
  };
  const Row rows[] = {{10ms, 0, 1}, {100ms, 0, 10}, {1s, 0, 100}, {40950ms, 0x0f, 0xff}};
  for (const auto& [interval, high, low] : rows) {
    Advertisement advertisement = golden_version_3();
    advertisement.interval = interval;
    const ByteVector pdu = encode(advertisement, kGoldenSource, kGroup);
    CHECK(pdu[4] == high);
    CHECK(pdu[5] == low);
    CHECK(decode(pdu, kGoldenSource, kGroup)->advertisement.interval == interval);
  }
  ByteVector zero = kGoldenMessageOnly;
  zero[5] = 0;
  zero[7] = 0xf2;  // 0x448e + 0x64
  CHECK(error_of(zero) == DecodeError::zero_interval);
}

TEST_CASE("RFC 9568 5.2.8: the checksum over the message alone is accepted, and sent where configured") {
  const auto decoded = decode(kGoldenMessageOnly, kGoldenSource, kGroup);
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_version_3());
  CHECK(decoded->checksum == ChecksumForm::message_only);
  CHECK(encode(golden_version_3(), kGoldenSource, kGroup, ChecksumForm::message_only) == kGoldenMessageOnly);
}

TEST_CASE(
    "RFC 5798 5.2.8 as keepalived and FRR read it: the pseudo-header is accepted, and sent by default") {
  CHECK(decode(kGoldenPseudoHeader, kGoldenSource, kGroup)->checksum == ChecksumForm::pseudo_header);
  CHECK(Settings{}.checksum == ChecksumForm::pseudo_header);
}

TEST_CASE("RFC 9568 5.2.8: over IPv6 the pseudo-header is always summed") {
  ByteVector pdu = kGoldenIpv6;
  CHECK(encode(golden_ipv6(), kGoldenIpv6Source, kGroup6, ChecksumForm::message_only) == kGoldenIpv6);
  CHECK(decode(pdu, ip("fe80::2"), kGroup6).error() == DecodeError::bad_checksum);
}

TEST_CASE("RFC 9568 5.2.9: the addresses are sent in the order of the configuration, IPv6 link-local first") {
  Driver node(ipv6_leg());
  node.started().advance(4s);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.addresses == std::vector{ip("fe80::100"), ip("2001:db8::100")});
}

TEST_CASE("RFC 9568 5.2.9: addresses that are only announced are not in the packet") {
  Settings settings = one_leg();
  settings.routers[0].excluded = {ip("192.168.3.1")};
  Driver node(settings);
  node.started().advance(4s);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.addresses == std::vector{ip("192.168.2.100")});
}
