// What downloads, uploads and FTP files consist of: the byte at offset i is i mod 251. 251 is prime, so bytes
// that are lost, doubled or moved by any usual size do not match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ftfw::lab {

inline constexpr std::size_t kPatternChunk = 65536;

// At most kPatternChunk bytes of the pattern from this offset on.
std::span<const std::uint8_t> pattern_at(std::uint64_t offset, std::size_t count = kPatternChunk);
bool matches_pattern(std::span<const std::uint8_t> bytes, std::uint64_t offset);

}  // namespace ftfw::lab
