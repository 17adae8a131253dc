// Bounded reading and writing of network byte order. A ByteReader never reads past the span it was given:
// after a short read it is failed, returns zeros and stays failed, so a codec checks ok() once at the end
// of each fixed part. A ByteWriter appends to a buffer that the caller owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ftfw {

using ByteSpan = std::span<const std::uint8_t>;
using ByteVector = std::vector<std::uint8_t>;

class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64() { return big_endian(8); }

  // The next `count` bytes, or an empty span and the failed state.
  ByteSpan take(std::size_t count) {
    if (count > remaining()) {
      failed_ = true;
      return {};
    }
    const ByteSpan part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }

  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> value{};
    const ByteSpan part = take(N);
    for (std::size_t i = 0; i < part.size(); ++i) value[i] = part[i];
    return value;
  }

  bool ok() const { return !failed_; }
  std::size_t remaining() const { return failed_ ? 0 : bytes_.size() - position_; }
  std::size_t position() const { return position_; }

 private:
  std::uint64_t big_endian(std::size_t count) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(count)) value = value << 8 | byte;
    return value;
  }

  ByteSpan bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

class ByteWriter {
 public:
  explicit ByteWriter(ByteVector& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) { big_endian(value, 2); }
  void u32(std::uint32_t value) { big_endian(value, 4); }
  void u64(std::uint64_t value) { big_endian(value, 8); }
  void bytes(ByteSpan value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void text(std::string_view value) { out_.insert(out_.end(), value.begin(), value.end()); }

  // For a length or checksum that is known only after what follows it. offset must lie inside what was
  // written.
  void patch_u16(std::size_t offset, std::uint16_t value) {
    out_.at(offset) = static_cast<std::uint8_t>(value >> 8);
    out_.at(offset + 1) = static_cast<std::uint8_t>(value);
  }

  std::size_t size() const { return out_.size(); }

 private:
  void big_endian(std::uint64_t value, int count) {
    for (int shift = (count - 1) * 8; shift >= 0; shift -= 8) {
      out_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }

  ByteVector& out_;
};

}  // namespace ftfw
