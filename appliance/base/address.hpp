// Addresses as values: IPv4 and IPv6 in one type, a prefix, a MAC. Bytes are in network order, so comparing
// two addresses of a family is comparing numbers as VRRP does (RFC 9568 6.4.3: greater address wins).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "appliance/base/bytes.hpp"

namespace ftfw {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0

  static IpAddress ipv4(std::array<std::uint8_t, 4> bytes);
  static IpAddress ipv6(std::array<std::uint8_t, 16> bytes);
  // 4 or 16 bytes in network order; anything else is nothing.
  static std::optional<IpAddress> from_bytes(ByteSpan bytes);
  // The usual text forms (inet_pton); no prefix length, no zone.
  static std::optional<IpAddress> parse(std::string_view text);

  Family family() const { return family_; }
  bool is_ipv4() const { return family_ == Family::ipv4; }
  bool is_unspecified() const;
  // fe80::/10 or 169.254.0.0/16.
  bool is_link_local() const;
  bool is_loopback() const;
  bool is_multicast() const;

  // 4 or 16 bytes in network order.
  ByteSpan bytes() const { return {bytes_.data(), is_ipv4() ? 4U : 16U}; }
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::ipv4;
  std::array<std::uint8_t, 16> bytes_{};
};

// An address with a prefix length, host bits kept: 192.168.2.100/24.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  // "192.168.2.100" (full length) or "192.168.2.100/24".
  static std::optional<IpPrefix> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
  bool is_host() const { return length == (address.is_ipv4() ? 32 : 128); }
  std::string to_string() const;  // always with the length
  auto operator<=>(const IpPrefix&) const = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  static std::optional<MacAddress> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const MacAddress&) const = default;
};

}  // namespace ftfw
