// Packets as keepalived 2.2.7 and FRR 8.4.4 send them, captured from the interoperation tests' wire: each is
// read completely, and keepalived's are written again bit by bit.
#include <doctest/doctest.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

enum class Peer { keepalived, frr };
enum class Password { none, papas_co };

struct Captured {
  Peer peer;
  std::uint8_t version;
  const char* source;
  std::uint8_t priority;
  Duration interval;
  Password password;
  std::string_view hex;
};

// Of router 61 with 192.168.2.100, or fe80::100 and 2001:db8:2::100.
constexpr std::array kCaptured{
    Captured{Peer::keepalived, 2, "192.168.2.2", 150, 1s, Password::papas_co,
             "213d96010101cd21c0a8026470617061735f636f"},
    Captured{Peer::keepalived, 2, "192.168.2.1", 100, 1s, Password::papas_co,
             "213d64010101ff21c0a8026470617061735f636f"},
    Captured{Peer::keepalived, 2, "192.168.2.2", 0, 1s, Password::papas_co,
             "213d000101016322c0a8026470617061735f636f"},
    Captured{Peer::keepalived, 2, "192.168.2.2", 150, 1s, Password::none,
             "213d9601000185b3c0a802640000000000000000"},
    Captured{Peer::keepalived, 2, "192.168.2.2", 0, 1s, Password::none,
             "213d000100011bb4c0a802640000000000000000"},
    Captured{Peer::keepalived, 3, "192.168.2.2", 150, 100ms, Password::none, "313d9601000ad270c0a80264"},
    Captured{Peer::keepalived, 3, "192.168.2.1", 100, 100ms, Password::none, "313d6401000a0472c0a80264"},
    Captured{Peer::keepalived, 3, "192.168.2.2", 0, 100ms, Password::none, "313d0001000a6871c0a80264"},
    Captured{Peer::keepalived, 3, "fe80::20", 150, 100ms, Password::none,
             "313d9602000a0c2cfe80000000000000000000000000010020010db8000200000000000000000100"},
    Captured{Peer::keepalived, 3, "fe80::20", 0, 100ms, Password::none,
             "313d0002000aa22cfe80000000000000000000000000010020010db8000200000000000000000100"},
    Captured{Peer::frr, 3, "192.168.2.2", 150, 100ms, Password::none, "313d9601000ad270c0a80264"},
    Captured{Peer::frr, 3, "192.168.2.1", 0, 100ms, Password::none, "313d0001000a6872c0a80264"},
    Captured{Peer::frr, 3, "fe80::21", 150, 100ms, Password::none,
             "313d9602000a0c2bfe80000000000000000000000000010020010db8000200000000000000000100"},
    Captured{Peer::frr, 3, "fe80::11", 0, 100ms, Password::none,
             "313d0002000aa23bfe80000000000000000000000000010020010db8000200000000000000000100"},
};

ByteVector bytes_of(std::string_view hex) {
  ByteVector bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    std::uint8_t byte = 0;
    std::from_chars(hex.data() + at, hex.data() + at + 2, byte, 16);
    bytes.push_back(byte);
  }
  return bytes;
}

bool is_ipv6(const Captured& captured) {
  return std::string_view(captured.source).contains(':');
}

IpAddress destination_of(const Captured& captured) {
  return ip(is_ipv6(captured) ? "ff02::12" : "224.0.0.18");
}

Advertisement meaning_of(const Captured& captured) {
  Advertisement advertisement{.version = captured.version,
                              .id = 61,
                              .priority = captured.priority,
                              .interval = captured.interval,
                              .addresses = {ip("192.168.2.100")},
                              .pass = std::nullopt};
  if (is_ipv6(captured)) advertisement.addresses = {ip("fe80::100"), ip("2001:db8:2::100")};
  if (captured.password == Password::papas_co)
    advertisement.pass = Pass{'p', 'a', 'p', 'a', 's', '_', 'c', 'o'};
  return advertisement;
}

}  // namespace

TEST_CASE("RFC 9568 5.2, RFC 3768 5.3: what keepalived 2.2.7 and FRR 8.4.4 send is read field by field") {
  for (const Captured& captured : kCaptured) {
    CAPTURE(captured.hex);
    CAPTURE(captured.source);
    const auto decoded = decode(bytes_of(captured.hex), ip(captured.source), destination_of(captured));
    REQUIRE(decoded);
    CHECK(decoded->advertisement == meaning_of(captured));
    if (captured.version == 3) CHECK(decoded->checksum == ChecksumForm::pseudo_header);
  }
}

TEST_CASE("RFC 9568 5.2, RFC 3768 5.3: we send the bytes that keepalived 2.2.7 sends for the same values") {
  for (const Captured& captured : kCaptured) {
    if (captured.peer != Peer::keepalived) continue;
    CAPTURE(captured.hex);
    CHECK(encode(meaning_of(captured), ip(captured.source), destination_of(captured)) ==
          bytes_of(captured.hex));
  }
}

TEST_CASE("RFC 9568 5.2.8: a captured packet of which any one bit is changed is not accepted as it was") {
  for (const Captured& captured : kCaptured) {
    const ByteVector whole = bytes_of(captured.hex);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      ByteVector changed = whole;
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
      const auto decoded = decode(changed, ip(captured.source), destination_of(captured));
      CAPTURE(captured.hex);
      CAPTURE(bit);
      CHECK((!decoded || decoded->advertisement != meaning_of(captured)));
    }
  }
}
