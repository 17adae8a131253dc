// Advertisements of real peers, captured from the wire: what they send is decoded with the checksum form that
// belongs to them, and written back bit by bit. A row is the payload of one IP packet (tshark -T fields -e
// ip.payload, or the bytes behind the IPv6 header).
#include <doctest/doctest.h>

#include <charconv>
#include <string_view>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

struct Captured {
  const char* peer;
  std::uint8_t version;
  const char* source;
  const char* destination;
  const char* hex;
  ChecksumForm checksum;
};

const Captured kCaptured[] = {
    {"keepalived, by its users: PASS", 2, "192.168.1.2", "224.0.0.18",
     "21333301 0101bb25 c0a801ee 6430636b 65720000", ChecksumForm::message_only},
    {"keepalived 2.3.1, by its users", 3, "192.0.2.252", "224.0.0.18", "310ac801 0064a102 c0000201",
     ChecksumForm::pseudo_header},
};

ByteVector from_hex(std::string_view text) {
  ByteVector bytes;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::uint8_t byte = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + 2, byte, 16);
    REQUIRE(parsed.ptr == text.data() + 2);
    bytes.push_back(byte);
    text.remove_prefix(2);
  }
  return bytes;
}

}  // namespace

TEST_CASE("captured: every packet of a real peer is read, and written back bit by bit") {
  for (const Captured& captured : kCaptured) {
    CAPTURE(captured.peer);
    const ByteVector pdu = from_hex(captured.hex);
    const IpAddress source = ip(captured.source);
    const IpAddress destination = ip(captured.destination);
    const auto decoded = decode(pdu, source, destination);
    REQUIRE(decoded);
    CHECK(decoded->advertisement.version == captured.version);
    CHECK(decoded->checksum == captured.checksum);
    CHECK(encode(decoded->advertisement, source, destination, captured.checksum) == pdu);
  }
}
