// Many small byte strings with little beside them: two bytes of header, sizes in steps of four, no allocation
// each. A record has a number (Ref) that stays while it lives, and records can be walked in the order of
// these numbers. Space of a removed record is used again by one of the same size; whoever owns the arena
// moves everything to a new one when waste() has grown too large. One thread; the owner counts the records.
//
//   | units(8) | mark(8) | payload, padded to 4 ... |      units: of 4 bytes, header included
//   free: mark is 0, the payload begins with the Ref of the next free block of this size
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "appliance/base/bytes.hpp"

namespace ftfw::sync {

class RecordArena {
 public:
  using Ref = std::uint32_t;
  static constexpr Ref kNone = 0;
  static constexpr std::size_t kMaxPayload = 1018;

  RecordArena() = default;

  // kNone: too long, or there are 16 GB.
  Ref add(ByteSpan payload);
  void remove(Ref ref);
  // In its place if the size allows; otherwise under another number.
  Ref replace(Ref ref, ByteSpan payload);
  // With up to three bytes of padding.
  ByteSpan payload(Ref ref) const;
  // The owner's note; false for a new record and for a replaced one.
  bool marked(Ref ref) const { return header(ref)[1] == kMarked; }
  void mark(Ref ref, bool marked) { header(ref)[1] = marked ? kMarked : kUsed; }

  // The record after this one (kNone: the first), or kNone. Those added meanwhile may be seen or not.
  Ref after(Ref ref) const;

  std::size_t bytes() const { return chunks_.size() * kChunkBytes; }  // of which untouched pages cost nothing
  std::size_t used() const { return used_units_ * kUnit; }
  std::size_t waste() const { return free_units_ * kUnit; }

 private:
  static constexpr std::size_t kUnit = 4;
  static constexpr std::size_t kHeader = 2;
  static constexpr std::size_t kUnitsInChunk = 1 << 16;
  static constexpr std::size_t kChunkBytes = kUnitsInChunk * kUnit;
  static constexpr std::size_t kMaxChunks = 1 << 16;
  static constexpr std::size_t kMaxUnits = 255;
  static constexpr std::size_t kMinUnits = 2;  // a free block holds a Ref
  static constexpr std::uint8_t kFree = 0;
  static constexpr std::uint8_t kUsed = 1;
  static constexpr std::uint8_t kMarked = 2;

  static std::size_t units_for(std::size_t payload);
  std::uint8_t* header(Ref ref) { return chunks_[ref / kUnitsInChunk].get() + ref % kUnitsInChunk * kUnit; }
  const std::uint8_t* header(Ref ref) const {
    return chunks_[ref / kUnitsInChunk].get() + ref % kUnitsInChunk * kUnit;
  }
  Ref allocate(std::size_t units);
  void free_block(Ref ref, std::size_t units);
  void write(Ref ref, std::size_t units, ByteSpan payload);

  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
  std::size_t end_ = kUnitsInChunk;  // of what is used in the last chunk, in units
  std::array<Ref, kMaxUnits + 1> free_{};
  std::size_t used_units_ = 0;
  std::size_t free_units_ = 0;
};

}  // namespace ftfw::sync
