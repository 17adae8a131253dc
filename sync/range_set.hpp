// Ranges of a table: every key of it, conntrack or expectation, falls into one of 2^bits by its hash and the
// compare's salt. The salt is new for every compare and not known outside the pair, so nobody can choose
// tuples that fall into one range, and what one compare overlooked by a collision the next one sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sync/observation.hpp"

namespace ftfw::sync {

inline constexpr unsigned kMaxRangeBits = 20;

// The places of a key in the indexes and in the ranges. An expectation stands apart from a conntrack that has
// the same tuple.
inline constexpr std::uint64_t kExpectationSalt = 0x9e3779b97f4a7c15;
std::uint64_t place_of(const EntryKey& key);
std::uint64_t place_of(const ExpectationKey& key);

class RangeSet {
 public:
  RangeSet() = default;
  RangeSet(std::uint64_t salt, unsigned bits)
      : salt_(salt), bits_(bits), members_(std::size_t{1} << bits, false) {}

  static std::uint32_t range_of(std::uint64_t place, std::uint64_t salt, unsigned bits);

  void insert(std::uint32_t range) { members_.at(range) = true; }
  bool contains(std::uint64_t place) const { return members_[range_of(place, salt_, bits_)]; }

 private:
  std::uint64_t salt_ = 0;
  unsigned bits_ = 0;
  std::vector<bool> members_ = std::vector<bool>(1, false);
};

}  // namespace ftfw::sync
