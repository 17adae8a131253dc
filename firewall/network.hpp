// What the kernel compares of addresses: masks and whole families. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "config/ranges.hpp"

namespace ftfw::firewall {

// nft's, and therefore not written by it.
inline constexpr std::uint32_t kDefaultBurst = 5;

// The first `length` bits set; for IPv4 the first 4 bytes count.
inline std::array<std::uint8_t, 16> mask_of(std::uint8_t length) {
  std::array<std::uint8_t, 16> mask{};
  for (std::size_t bit = 0; bit < length && bit < 128; ++bit) {
    mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | (0x80U >> (bit % 8)));
  }
  return mask;
}

// 0.0.0.0/0 or ::/0
inline bool covers_family(const config::AddressRange& range) {
  const auto prefix = config::prefix_of(range);
  return prefix && prefix->length == 0;
}

}  // namespace ftfw::firewall
