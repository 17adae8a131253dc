#include "sync/record_arena.hpp"

#include <algorithm>
#include <cstring>

namespace ftfw::sync {

std::size_t RecordArena::units_for(std::size_t payload) {
  return std::max(kMinUnits, (payload + kHeader + kUnit - 1) / kUnit);
}

RecordArena::Ref RecordArena::add(ByteSpan payload) {
  if (payload.size() > kMaxPayload) return kNone;
  const std::size_t units = units_for(payload.size());
  const Ref ref = allocate(units);
  if (ref != kNone) write(ref, units, payload);
  return ref;
}

void RecordArena::write(Ref ref, std::size_t units, ByteSpan payload) {
  std::uint8_t* at = header(ref);
  at[0] = static_cast<std::uint8_t>(units);
  at[1] = kUsed;
  std::memcpy(at + kHeader, payload.data(), payload.size());
  std::memset(at + kHeader + payload.size(), 0, units * kUnit - kHeader - payload.size());
}

RecordArena::Ref RecordArena::allocate(std::size_t units) {
  if (const Ref ref = free_[units]; ref != kNone) {
    std::memcpy(&free_[units], header(ref) + kHeader, sizeof(Ref));
    free_units_ -= units;
    used_units_ += units;
    return ref;
  }
  if (end_ + units > kUnitsInChunk) {
    if (chunks_.size() == kMaxChunks) return kNone;
    const std::size_t rest = kUnitsInChunk - end_;
    if (rest != 0) free_block(static_cast<Ref>((chunks_.size() - 1) * kUnitsInChunk + end_), rest);
    chunks_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(kChunkBytes));
    end_ = chunks_.size() == 1 ? 1 : 0;  // no block has the number kNone
  }
  const auto ref = static_cast<Ref>((chunks_.size() - 1) * kUnitsInChunk + end_);
  end_ += units;
  used_units_ += units;
  return ref;
}

// Not of more than kMaxUnits: the rest of a chunk is smaller than what did not fit.
void RecordArena::free_block(Ref ref, std::size_t units) {
  std::uint8_t* at = header(ref);
  at[0] = static_cast<std::uint8_t>(units);
  at[1] = kFree;
  free_units_ += units;
  if (units < kMinUnits) return;  // found by nobody
  std::memcpy(at + kHeader, &free_[units], sizeof(Ref));
  free_[units] = ref;
}

void RecordArena::remove(Ref ref) {
  const std::size_t units = header(ref)[0];
  used_units_ -= units;
  free_block(ref, units);
}

RecordArena::Ref RecordArena::replace(Ref ref, ByteSpan payload) {
  if (payload.size() <= kMaxPayload && units_for(payload.size()) == header(ref)[0]) {
    write(ref, header(ref)[0], payload);
    return ref;
  }
  const Ref moved = add(payload);
  if (moved != kNone) remove(ref);
  return moved;
}

ByteSpan RecordArena::payload(Ref ref) const {
  const std::uint8_t* at = header(ref);
  return {at + kHeader, at[0] * kUnit - kHeader};
}

RecordArena::Ref RecordArena::after(Ref ref) const {
  std::size_t at = ref == kNone ? 1 : ref + header(ref)[0];
  while (!chunks_.empty()) {
    const bool last = at / kUnitsInChunk == chunks_.size() - 1;
    if (at / kUnitsInChunk >= chunks_.size() || (last && at % kUnitsInChunk >= end_)) break;
    const std::uint8_t* block = header(static_cast<Ref>(at));
    if (block[1] != kFree) return static_cast<Ref>(at);
    at += block[0];
  }
  return kNone;
}

}  // namespace ftfw::sync
