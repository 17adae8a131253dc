// SipHash-2-4 with a fixed key over values: the same 64 bits on every machine and in every process, well
// mixed, so that an index keyed by them needs no second hash. The input is collected in a fixed buffer, so
// that one call per event allocates nothing. Not a secret: who can choose tuples can search for collisions;
// two entries that collide share one index slot, which costs an update instead of a create and never a wrong
// entry.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "appliance/base/bytes.hpp"
#include "sync/expectation.hpp"
#include "sync/tuple.hpp"

namespace ftfw::sync {

// SipHash-2-4 of the bytes under this program's fixed key.
std::uint64_t hash_of(ByteSpan bytes);

class HashInput {
 public:
  void add(std::uint16_t value);
  void add(std::uint64_t value);
  void add(const Tuple& tuple);
  std::uint64_t finish() const { return hash_of(ByteSpan{bytes_.data(), used_}); }

 private:
  static constexpr std::size_t kCapacity = 48;  // one tuple (39 bytes) and a zone
  void byte(std::uint8_t value) { bytes_.at(used_++) = value; }

  std::array<std::uint8_t, kCapacity> bytes_{};
  std::size_t used_ = 0;
};

// Of what names an expectation in a table.
std::uint64_t hash_of(const ExpectationKey& key);

}  // namespace ftfw::sync

template <>
struct std::hash<ftfw::sync::ExpectationKey> {
  std::size_t operator()(const ftfw::sync::ExpectationKey& key) const noexcept {
    return ftfw::sync::hash_of(key);
  }
};
