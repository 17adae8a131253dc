#include "firewall/linux/batch.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "firewall/listing.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

// The kernel takes at most 128 expressions in a rule (NFT_RULE_MAXEXPRS), none of ours encodes to more than
// 600 bytes (a name of 256 bytes and its headers); messages with elements are split by sets.cpp.
constexpr std::size_t kScratchBytes = 128 * 1024;
constexpr std::size_t kSpareBytes = 64;  // more than BATCH_BEGIN with its genid, or BATCH_END, takes (28)

nlmsghdr& header_at(ByteVector& bytes, std::size_t offset) {
  // Netlink messages are 4-aligned from the start of the vector, which the allocator aligns to 16.
  return *reinterpret_cast<nlmsghdr*>(bytes.data() + offset);
}

}  // namespace

std::string Origin::describe() const {
  if (table.empty()) return "the whole transaction";
  std::string text = fmt::format("table inet {}", table);
  if (!kind.empty()) text += fmt::format(", {} {}", kind, name);
  if (rule != nullptr) text += ": " + to_nft(*rule);
  return text;
}

Batch::Batch(std::uint32_t first_sequence) : first_sequence_(first_sequence), scratch_(kScratchBytes) {
  bytes_.resize(kSpareBytes);
  nlmsghdr* begin = ::nftnl_batch_begin(reinterpret_cast<char*>(bytes_.data()), first_sequence_);
  ::mnl_attr_put_u32(begin, NFNL_BATCH_GENID, 0);
  bytes_.resize(begin->nlmsg_len);
}

void Batch::add(std::uint16_t type, std::uint16_t flags, const Origin& origin,
                const std::function<void(nlmsghdr&)>& build) {
  const auto sequence = static_cast<std::uint32_t>(first_sequence_ + 1 + origins_.size());
  nlmsghdr* header =
      ::nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(scratch_.data()), type, NFPROTO_INET, flags, sequence);
  build(*header);
  if (header->nlmsg_len > kMaxMessageBytes) {
    return refuse(origin, EMSGSIZE, "too large for one message to the kernel");
  }
  last_offset_ = bytes_.size();
  bytes_.insert(bytes_.end(), scratch_.begin(), scratch_.begin() + header->nlmsg_len);
  origins_.push_back(origin);
}

void Batch::refuse(const Origin& origin, int code, std::string text) {
  refusals_.push_back({origin.where, origin.describe(), code, std::move(text)});
}

ByteSpan Batch::seal(std::uint32_t genid, bool end) {
  // The only attribute of BATCH_BEGIN: its payload ends the message.
  const std::uint32_t wire = htonl(genid);
  const std::size_t begin_bytes = header_at(bytes_, 0).nlmsg_len;
  std::ranges::copy_n(reinterpret_cast<const std::uint8_t*>(&wire), sizeof wire,
                      bytes_.begin() + static_cast<std::ptrdiff_t>(begin_bytes - sizeof wire));
  if (!empty()) {
    nlmsghdr& last = header_at(bytes_, last_offset_);
    last.nlmsg_flags = static_cast<std::uint16_t>(last.nlmsg_flags | NLM_F_ACK);
  }
  if (end) {
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + kSpareBytes);
    const nlmsghdr* tail =
        ::nftnl_batch_end(reinterpret_cast<char*>(bytes_.data() + offset), last_sequence() + 1);
    bytes_.resize(offset + tail->nlmsg_len);
  }
  return bytes_;
}

std::uint32_t Batch::last_sequence() const {
  return static_cast<std::uint32_t>(first_sequence_ + origins_.size());
}

const Origin* Batch::origin(std::uint32_t sequence) const {
  const std::uint32_t index = sequence - first_sequence_ - 1;
  return index < origins_.size() ? &origins_[index] : nullptr;
}

}  // namespace ftfw::firewall::linux_nft
