#include "appliance/base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace ftfw {

IpAddress IpAddress::ipv4(std::array<std::uint8_t, 4> bytes) {
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::ipv6(std::array<std::uint8_t, 16> bytes) {
  IpAddress address;
  address.family_ = Family::ipv6;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::from_bytes(ByteSpan bytes) {
  // Sizes that the compiler knows: this is done for every address of every flow.
  std::optional<IpAddress> address;
  if (bytes.size() == 4) {
    std::memcpy(address.emplace().bytes_.data(), bytes.data(), 4);
  } else if (bytes.size() == 16) {
    address.emplace().family_ = Family::ipv6;
    std::memcpy(address->bytes_.data(), bytes.data(), 16);
  }
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  IpAddress address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data()) == 1) return address;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) == 1) {
    address.family_ = Family::ipv6;
    return address;
  }
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_ipv4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_loopback() const {
  if (is_ipv4()) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_multicast() const {
  if (is_ipv4()) return (bytes_[0] & 0xf0) == 0xe0;
  return bytes_[0] == 0xff;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  if (::inet_ntop(is_ipv4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text) == nullptr) return "?";
  return text;
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::uint8_t full = address->is_ipv4() ? 32 : 128;
  if (slash == std::string_view::npos) return IpPrefix{*address, full};
  const std::string_view digits = text.substr(slash + 1);
  std::uint8_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size() || length > full) return std::nullopt;
  return IpPrefix{*address, length};
}

bool IpPrefix::contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  const ByteSpan mine = address.bytes();
  const ByteSpan theirs = other.bytes();
  const std::size_t whole = length / 8;
  if (!std::equal(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(whole), theirs.begin()))
    return false;
  if (length % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> (length % 8));
  return ((mine[whole] ^ theirs[whole]) & mask) == 0;
}

std::string IpPrefix::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) {
    const char* digits = text.data() + i * 3;
    const auto [end, error] = std::from_chars(digits, digits + 2, mac.bytes.at(i), 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
    if (i < 5 && digits[2] != ':') return std::nullopt;
  }
  return mac;
}

std::string MacAddress::to_string() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                bytes[4], bytes[5]);
  return text;
}

}  // namespace ftfw
