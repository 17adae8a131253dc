// The IP headers that this program writes and reads itself, byte by byte.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/ip_packet.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

const MacAddress kVirtualMac4{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}};
const MacAddress kVirtualMac6{{0x00, 0x00, 0x5e, 0x00, 0x02, 0x33}};
constexpr std::size_t kEthernetBytes = 14;

ByteVector ipv4_packet() {
  const ByteVector frame =
      multicast_frame(kVirtualMac4, ip("192.0.2.1"), ip("224.0.0.18"), 7, ByteVector{0x31, 0x33});
  return {frame.begin() + kEthernetBytes, frame.end()};
}

}  // namespace

TEST_CASE(
    "the frame of an IPv4 advertisement is the group's MAC, the virtual MAC and a header with TTL 255") {
  const ByteVector expected{
      0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x33, 0x08, 0x00,  // Ethernet
      0x45, 0xc0, 0x00, 0x16, 0x01, 0x02, 0x00, 0x00, 0xff, 0x70, 0x17, 0xa2,              // IPv4
      192,  0,    2,    1,    224,  0,    0,    18,                                        // addresses
      0x31, 0x33,
  };
  const ByteVector frame =
      multicast_frame(kVirtualMac4, ip("192.0.2.1"), ip("224.0.0.18"), 0x0102, ByteVector{0x31, 0x33});
  CHECK(frame == expected);
}

TEST_CASE("the frame of an IPv6 advertisement has class 0xc0 and hop limit 255") {
  const ByteVector frame =
      multicast_frame(kVirtualMac6, ip("fe80::1"), ip("ff02::12"), 0, ByteVector{0x31, 0x33});
  const ByteVector expected{
      0x33, 0x33, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x5e, 0x00, 0x02, 0x33, 0x86, 0xdd,  // Ethernet
      0x6c, 0x00, 0x00, 0x00, 0x00, 0x02, 0x70, 0xff,                                      // IPv6
      0xfe, 0x80, 0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    1,    0xff,
      0x02, 0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x12, 0x31, 0x33,
  };
  CHECK(frame == expected);
}

TEST_CASE("a received IPv4 packet is taken apart, one with options too") {
  const ByteVector bytes = ipv4_packet();
  const auto packet = parse_ipv4(bytes);
  REQUIRE(packet);
  CHECK(packet->ttl == 255);
  CHECK(packet->source == ip("192.0.2.1"));
  CHECK(packet->destination == ip("224.0.0.18"));
  CHECK(std::ranges::equal(packet->payload, ByteVector{0x31, 0x33}));

  ByteVector with_options = bytes;
  with_options.insert(with_options.begin() + 20, {1, 1, 1, 1});
  with_options[0] = 0x46;
  with_options[3] = 26;
  REQUIRE(parse_ipv4(with_options));
  CHECK(std::ranges::equal(parse_ipv4(with_options)->payload, ByteVector{0x31, 0x33}));
}

TEST_CASE("an IPv4 header that does not describe what was received is refused, at every length") {
  const ByteVector bytes = ipv4_packet();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const ByteVector cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(parse_ipv4(cut));
  }
  const auto changed = [&](std::size_t offset, std::uint8_t value) {
    ByteVector bad = bytes;
    bad[offset] = value;
    return parse_ipv4(bad);
  };
  CHECK_FALSE(changed(0, 0x65));  // version 6
  CHECK_FALSE(changed(0, 0x44));  // header of 16 bytes
  CHECK_FALSE(changed(0, 0x46));  // header longer than the packet
  CHECK_FALSE(changed(3, 0xff));  // total length beyond the bytes
  CHECK_FALSE(changed(3, 20));    // and short of them
}
