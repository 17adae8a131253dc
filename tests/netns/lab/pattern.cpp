#include "tests/netns/lab/pattern.hpp"

#include <algorithm>
#include <array>

namespace ftfw::lab {
namespace {

constexpr std::size_t kPeriod = 251;

constexpr auto make_table() {
  std::array<std::uint8_t, kPatternChunk + kPeriod> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::uint8_t>(i % kPeriod);
  return table;
}

const std::array kTable = make_table();

}  // namespace

std::span<const std::uint8_t> pattern_at(std::uint64_t offset, std::size_t count) {
  return std::span(kTable).subspan(offset % kPeriod, std::min(count, kPatternChunk));
}

bool matches_pattern(std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto expected = pattern_at(offset, bytes.size());
    if (!std::ranges::equal(bytes.first(expected.size()), expected)) return false;
    bytes = bytes.subspan(expected.size());
    offset += expected.size();
  }
  return true;
}

}  // namespace ftfw::lab
