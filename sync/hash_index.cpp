#include "sync/hash_index.hpp"

#include <utility>

namespace ftfw::sync {
namespace {

constexpr std::size_t kFirstSlots = 64;

}  // namespace

std::size_t HashIndex::locate(std::uint64_t hash) const {
  std::size_t at = home(hash);
  while (slots_[at].hash != 0 && slots_[at].hash != hash) at = (at + 1) & (slots_.size() - 1);
  return at;
}

const HashIndex::Slot* HashIndex::find(std::uint64_t hash) const {
  if (slots_.empty()) return nullptr;
  const Slot& slot = slots_[locate(usable(hash))];
  return slot.hash == 0 ? nullptr : &slot;
}

bool HashIndex::put(std::uint64_t hash, std::uint32_t generation, std::uint32_t note) {
  hash = usable(hash);
  if (slots_.empty()) rebuild(kFirstSlots);
  std::size_t at = locate(hash);
  if (slots_[at].hash == 0) {
    if (size_ >= max_entries_) return false;
    if ((size_ + 1) * 4 > slots_.size() * 3) {
      rebuild(slots_.size() * 2);
      at = locate(hash);
    }
    ++size_;
  }
  slots_[at] = {hash, generation, note};
  return true;
}

bool HashIndex::erase(std::uint64_t hash) {
  if (slots_.empty()) return false;
  std::size_t hole = locate(usable(hash));
  if (slots_[hole].hash == 0) return false;
  // Close the gap: whatever probed past the hole moves into it, so that no search stops early.
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hole + 1) & mask; slots_[at].hash != 0; at = (at + 1) & mask) {
    const std::size_t distance_home = (at - home(slots_[at].hash)) & mask;
    const std::size_t distance_hole = (at - hole) & mask;
    if (distance_home >= distance_hole) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole] = {};
  --size_;
  return true;
}

void HashIndex::erase_older_than(std::uint32_t generation,
                                 const std::function<bool(std::uint64_t)>& concerned) {
  std::size_t kept = 0;
  for (Slot& slot : slots_) {
    if (slot.hash == 0) continue;
    if (older(slot.generation, generation) && concerned(slot.hash)) {
      slot = {};
    } else {
      ++kept;
    }
  }
  if (kept == size_) return;
  // Erasing in place broke probe chains; a rebuild restores them, and shrinks after a large sweep.
  std::size_t slots = kFirstSlots;
  while (kept * 4 > slots * 3) slots *= 2;
  rebuild(slots);
}

void HashIndex::clear() {
  slots_ = {};
  size_ = 0;
}

void HashIndex::rebuild(std::size_t slots) {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots));
  size_ = 0;
  for (const Slot& slot : before) {
    if (slot.hash == 0) continue;
    slots_[locate(slot.hash)] = slot;
    ++size_;
  }
}

}  // namespace ftfw::sync
