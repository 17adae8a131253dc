// What one side holds of the pair's table, condensed for a compare: per key 12 bytes while the own kernel's
// table is read, then 4 bytes for each range of keys. Both sides make it with the same rules, so equal tables
// give equal digests:
//   - In it are what names an entry and what must be equal when nothing is under way: the translation, what
//     the status says about replies, the protocol's state, mark, labels, helper, master, sequence adjustment,
//     synproxy. Not in it: timeouts, what the kernel derives from those (NAT bits, HELPER), and TCP's scales
//     and flags (a flowtable hides them, and nobody checks windows of a replica).
//   - Keys that messages named since the compare began are left out, on both sides the same ones, because
//     they stand in one stream (README.md, "Reconcile"). So traffic makes no difference.
//   - An expectation counts with its master alone: the rest came with it.
//   - A related entry counts its master only where the master is there too.
// Freed when it was used. kMaxRecords bounds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "sync/group_state.hpp"
#include "sync/hash_index.hpp"
#include "sync/observation.hpp"
#include "sync/range_set.hpp"

namespace ftfw::sync {

// 32 bits over what must be equal, salted. with_master: entry.master counts.
std::uint32_t content_of(const ConntrackEntry& entry, bool with_master, std::uint64_t salt, LeftOut left_out);

class TableDigest {
 public:
  static constexpr std::size_t kMaxRecords = std::size_t{1} << 24;  // 12 bytes each: 192 MB
  static constexpr std::size_t kMaxTouched = std::size_t{1} << 19;  // 16 MB at most
  static constexpr std::size_t kEntriesPerRange = 16;               // at most, on average

  void begin(std::uint64_t salt, LeftOut left_out);
  void clear();
  void forget_records();  // the table is to be read again; what was touched stays so

  // A message named the key. False: too many, the compare is void.
  bool touch(std::uint64_t place) { return touched_.put(place, 0, 0); }
  bool touched(std::uint64_t place) const { return touched_.find(place) != nullptr; }

  // From the dump, filtered. False: too many, the compare is void.
  bool add(const ConntrackEntry& entry);
  bool add(const Expectation& expectation);

  std::size_t touched_keys() const { return touched_.size(); }
  std::size_t size() const { return places_.size() + related_.size(); }
  std::size_t bytes() const;
  std::uint64_t salt() const { return salt_; }
  unsigned suitable_bits() const;  // so that a range holds kEntriesPerRange
  std::vector<std::uint32_t> digests(unsigned bits) const;

 private:
  struct Related {
    std::uint64_t place = 0;
    std::uint64_t master = 0;
    std::uint32_t alone = 0;
    std::uint32_t with_master = 0;
  };

  std::uint64_t salt_ = 0;
  LeftOut left_out_;
  std::deque<std::uint64_t> places_;  // deques: growing copies nothing
  std::deque<std::uint32_t> contents_;
  std::deque<Related> related_;
  HashIndex touched_{kMaxTouched};
};

}  // namespace ftfw::sync
