// A place in the configuration file.
#pragma once

#include <compare>
#include <cstdint>

namespace ftfw::config {

// 1-based; 0 means "not from the file" (a default).
struct Location {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  auto operator<=>(const Location&) const = default;
};

}  // namespace ftfw::config
