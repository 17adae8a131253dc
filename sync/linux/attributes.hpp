// Netlink attributes (struct nlattr, include/uapi/linux/netlink.h) read and written without trust in their
// lengths. libmnl's iterator macros do not compile as C++, hence these. Reading borrows from the datagram
// that the caller owns; writing appends to a ByteVector. No thread of its own.
//
//   0        2        4
//   | length | type   | payload ... | zero padding to 4 |      length: header and payload, host byte order
//
// Type: bit 15 nested, bit 14 network byte order, the rest is the number. ctnetlink's integers are
// big-endian.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "appliance/base/bytes.hpp"

struct nlmsghdr;

namespace ftfw::sync {

// The attributes of one nest by number, 0..Highest. Unknown numbers are skipped (a newer kernel sends more);
// of a repeated one the last counts, as in the kernel.
template <std::size_t Highest>
class AttributeTable {
 public:
  // False when a length does not fit what was received: then the table must not be used.
  bool parse(ByteSpan nest) {
    constexpr std::size_t kHeader = 4;
    constexpr std::uint16_t kTypeMask = 0x3fff;
    while (nest.size() >= kHeader) {
      std::uint16_t length = 0;
      std::uint16_t type = 0;
      std::memcpy(&length, nest.data(), sizeof length);
      std::memcpy(&type, nest.data() + sizeof length, sizeof type);
      if (length < kHeader || length > nest.size()) return false;
      const std::size_t number = type & kTypeMask;
      if (number <= Highest) {
        found_[number] = nest.subspan(kHeader, length - kHeader);
        present_[number] = true;
      }
      const std::size_t padded = (static_cast<std::size_t>(length) + 3) & ~std::size_t{3};
      nest = nest.subspan(padded < nest.size() ? padded : nest.size());
    }
    return true;
  }

  bool has(std::size_t number) const { return present_[number]; }
  // Empty when absent.
  ByteSpan bytes(std::size_t number) const { return found_[number]; }

  // Nothing when absent or not of exactly this size.
  std::optional<std::uint8_t> u8(std::size_t number) const { return integer<std::uint8_t>(number); }
  std::optional<std::uint16_t> u16(std::size_t number) const { return integer<std::uint16_t>(number); }
  std::optional<std::uint32_t> u32(std::size_t number) const { return integer<std::uint32_t>(number); }
  std::optional<std::uint64_t> u64(std::size_t number) const { return integer<std::uint64_t>(number); }
  // A C string up to its NUL or the end of the attribute.
  std::string_view text(std::size_t number) const {
    const ByteSpan raw = found_[number];
    const std::string_view all(reinterpret_cast<const char*>(raw.data()), raw.size());
    return all.substr(0, all.find('\0'));
  }

 private:
  template <typename T>
  std::optional<T> integer(std::size_t number) const {
    if (!present_[number] || found_[number].size() != sizeof(T)) return std::nullopt;
    std::uint64_t value = 0;
    for (const std::uint8_t byte : found_[number]) value = value << 8 | byte;
    return static_cast<T>(value);
  }

  std::array<ByteSpan, Highest + 1> found_{};
  std::array<bool, Highest + 1> present_{};
};

// One netlink message appended to a buffer; its length is written by the destructor. While it is built the
// buffer is longer than what was written, zeroed, so that an attribute is a few stores into it.
class MessageBuilder {
 public:
  // type: subsystem << 8 | message; family: AF_INET, AF_INET6 or AF_UNSPEC of the nfgenmsg behind the header.
  MessageBuilder(ByteVector& out, std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                 std::uint8_t family);
  ~MessageBuilder();
  MessageBuilder(const MessageBuilder&) = delete;
  MessageBuilder& operator=(const MessageBuilder&) = delete;

  void u8(std::uint16_t type, std::uint8_t value) { integer(type, value); }
  void u16(std::uint16_t type, std::uint16_t value) { integer(type, value); }
  void u32(std::uint16_t type, std::uint32_t value) { integer(type, value); }
  void u64(std::uint16_t type, std::uint64_t value) { integer(type, value); }
  void bytes(std::uint16_t type, ByteSpan value) {
    std::memcpy(attribute(type, value.size()), value.data(), value.size());
  }
  void text(std::uint16_t type, std::string_view value) {  // NUL-terminated
    std::memcpy(attribute(type, value.size() + 1), value.data(), value.size());
  }

  // The nest's attributes are those written by body().
  template <typename Body>
  void nest(std::uint16_t type, Body body) {
    const std::size_t start = end_;
    attribute(static_cast<std::uint16_t>(type | kNested), 0);
    body();
    const auto length = static_cast<std::uint16_t>(end_ - start);
    std::memcpy(out_.data() + start, &length, sizeof length);
  }

 private:
  static constexpr std::uint16_t kNested = 1 << 15;
  static constexpr std::size_t kHeader = 4;
  static constexpr std::size_t kRoom = 512;  // most messages need less

  // Behind the header of an attribute with so much payload.
  std::uint8_t* attribute(std::uint16_t type, std::size_t payload) {
    const std::size_t padded = (payload + kHeader + 3) & ~std::size_t{3};
    if (out_.size() - end_ < padded) out_.resize(end_ + padded + kRoom);
    std::uint8_t* at = out_.data() + end_;
    const auto length = static_cast<std::uint16_t>(payload + kHeader);
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + sizeof length, &type, sizeof type);
    end_ += padded;
    return at + kHeader;
  }
  template <typename T>
  void integer(std::uint16_t type, T value) {
    if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1) value = std::byteswap(value);
    std::memcpy(attribute(type, sizeof value), &value, sizeof value);
  }

  ByteVector& out_;
  std::size_t start_;
  std::size_t end_;
};

// What follows the nfgenmsg of a message, or nothing when the message is too short to hold one. The caller
// vouches that header.nlmsg_len bytes are there (for_each_message does).
std::optional<ByteSpan> attributes_of(const nlmsghdr& header);

}  // namespace ftfw::sync
