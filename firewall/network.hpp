// A prefix without its host bits, and its mask: what a rule compares.
#pragma once

#include <array>
#include <cstdint>

#include "appliance/base/address.hpp"

namespace ftfw::firewall {

// The first `length` bits set; for IPv4 the first 4 bytes count.
inline std::array<std::uint8_t, 16> mask_of(std::uint8_t length) {
  std::array<std::uint8_t, 16> mask{};
  for (std::size_t bit = 0; bit < length && bit < 128; ++bit) {
    mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | (0x80U >> (bit % 8)));
  }
  return mask;
}

// 192.168.2.100/24 -> 192.168.2.0/24
inline IpPrefix network_of(const IpPrefix& prefix) {
  const auto mask = mask_of(prefix.length);
  std::array<std::uint8_t, 16> bytes{};
  const ByteSpan from = prefix.address.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) bytes[i] = static_cast<std::uint8_t>(from[i] & mask[i]);
  return {*IpAddress::from_bytes({bytes.data(), from.size()}), prefix.length};
}

}  // namespace ftfw::firewall
