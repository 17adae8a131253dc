#include "sync/linux/attributes.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cassert>
#include <cstddef>

namespace ftfw::sync {

namespace {

// NLMSG_HDRLEN and NLA_HDRLEN of the kernel's headers, which are int expressions.
constexpr std::size_t kMessageHeader = sizeof(nlmsghdr);
constexpr std::size_t kAttributeHeader = sizeof(nlattr);
constexpr std::size_t kAlignment = 4;

}  // namespace

MessageBuilder::MessageBuilder(ByteVector& out, std::uint16_t type, std::uint16_t flags,
                               std::uint32_t sequence, std::uint8_t family)
    : out_(out), start_(out.size()) {
  const nlmsghdr message{
      .nlmsg_len = 0, .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = sequence, .nlmsg_pid = 0};
  const nfgenmsg generic{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  append_raw(&message, sizeof message);
  append_raw(&generic, sizeof generic);
}

MessageBuilder::~MessageBuilder() {
  const auto length = static_cast<std::uint32_t>(out_.size() - start_);
  std::memcpy(out_.data() + start_, &length, sizeof length);
}

void MessageBuilder::bytes(std::uint16_t type, ByteSpan value) {
  header(type, value.size());
  out_.insert(out_.end(), value.begin(), value.end());
  pad();
}

void MessageBuilder::text(std::uint16_t type, std::string_view value) {
  header(type, value.size() + 1);
  out_.insert(out_.end(), value.begin(), value.end());
  out_.push_back(0);
  pad();
}

void MessageBuilder::big_endian(std::uint16_t type, std::uint64_t value, std::size_t size) {
  header(type, size);
  for (std::size_t left = size; left > 0; --left) {
    out_.push_back(static_cast<std::uint8_t>(value >> (8 * (left - 1))));
  }
  pad();
}

void MessageBuilder::header(std::uint16_t type, std::size_t payload) {
  assert(payload + kAttributeHeader <= UINT16_MAX);
  const nlattr attribute{.nla_len = static_cast<std::uint16_t>(payload + kAttributeHeader), .nla_type = type};
  append_raw(&attribute, sizeof attribute);
}

void MessageBuilder::pad() {
  while ((out_.size() - start_) % kAlignment != 0) out_.push_back(0);
}

std::size_t MessageBuilder::begin_nest(std::uint16_t type) {
  const std::size_t start = out_.size();
  header(static_cast<std::uint16_t>(type | NLA_F_NESTED), 0);
  return start;
}

void MessageBuilder::end_nest(std::size_t start) {
  const auto length = static_cast<std::uint16_t>(out_.size() - start);
  std::memcpy(out_.data() + start, &length, sizeof length);
}

void MessageBuilder::append_raw(const void* data, std::size_t size) {
  const auto* first = static_cast<const std::uint8_t*>(data);
  out_.insert(out_.end(), first, first + size);
}

std::optional<ByteSpan> attributes_of(const nlmsghdr& header) {
  constexpr std::size_t kFixed = kMessageHeader + sizeof(nfgenmsg);
  if (header.nlmsg_len < kFixed) return std::nullopt;
  const auto* first = reinterpret_cast<const std::uint8_t*>(&header);
  return ByteSpan(first + kFixed, header.nlmsg_len - kFixed);
}

}  // namespace ftfw::sync
