// A flat set of 64-bit hashes with one small note each: what a replica remembers per entry, and the keys that
// events touched during a full send. Open addressing with linear probing, at most 3/4 full, doubled when
// needed: 16 bytes a slot, so 21 to 43 bytes an entry (goal of the design: 64), and no allocation per entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace ftfw::sync {

class HashIndex {
 public:
  struct Slot {
    std::uint64_t hash = 0;  // 0: free
    std::uint32_t generation = 0;
    std::uint32_t note = 0;
  };

  explicit HashIndex(std::size_t max_entries) : max_entries_(max_entries) {}

  // Inserts or replaces. False when full: nothing was changed.
  bool put(std::uint64_t hash, std::uint32_t generation, std::uint32_t note);
  const Slot* find(std::uint64_t hash) const;
  bool erase(std::uint64_t hash);
  // Forgets what was not confirmed since generation (older by difference, so that the number may wrap).
  // Of those whose hash `concerned` says true to.
  void erase_older_than(std::uint32_t generation, const std::function<bool(std::uint64_t)>& concerned);
  void clear();  // and gives the memory back

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

  // a is older than b, on a circle of 2^32.
  static bool older(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

 private:
  static std::uint64_t usable(std::uint64_t hash) { return hash == 0 ? 1 : hash; }
  std::size_t home(std::uint64_t hash) const { return hash & (slots_.size() - 1); }
  std::size_t locate(std::uint64_t hash) const;  // its slot, or the free one where it would go
  void rebuild(std::size_t slots);

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  std::size_t max_entries_;
};

}  // namespace ftfw::sync
