#include "sync/linux/attributes.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>

namespace ftfw::sync {

namespace {

// NLMSG_HDRLEN of the kernel's headers, which is an int expression.
constexpr std::size_t kMessageHeader = sizeof(nlmsghdr);

}  // namespace

MessageBuilder::MessageBuilder(ByteVector& out, std::uint16_t type, std::uint16_t flags,
                               std::uint32_t sequence, std::uint8_t family)
    : out_(out), start_(out.size()), end_(start_ + kMessageHeader + sizeof(nfgenmsg)) {
  static_assert(kNested == NLA_F_NESTED && kHeader == sizeof(nlattr));
  out_.resize(end_ + kRoom);
  const nlmsghdr message{
      .nlmsg_len = 0, .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = sequence, .nlmsg_pid = 0};
  const nfgenmsg generic{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  std::memcpy(out_.data() + start_, &message, sizeof message);
  std::memcpy(out_.data() + start_ + sizeof message, &generic, sizeof generic);
}

MessageBuilder::~MessageBuilder() {
  const auto length = static_cast<std::uint32_t>(end_ - start_);
  std::memcpy(out_.data() + start_, &length, sizeof length);
  out_.resize(end_);
}

std::optional<ByteSpan> attributes_of(const nlmsghdr& header) {
  constexpr std::size_t kFixed = kMessageHeader + sizeof(nfgenmsg);
  if (header.nlmsg_len < kFixed) return std::nullopt;
  const auto* first = reinterpret_cast<const std::uint8_t*>(&header);
  return ByteSpan(first + kFixed, header.nlmsg_len - kFixed);
}

}  // namespace ftfw::sync
