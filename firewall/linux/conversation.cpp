#include "firewall/linux/conversation.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "appliance/base/clock.hpp"
#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

// A batch is one datagram: the default of 212,992 bytes ends at about 800 rules.
constexpr int kSendBufferBytes = 64 << 20;
// Each refused message is answered by one datagram of about 800 bytes of kernel memory.
constexpr int kReceiveBufferBytes = 8 << 20;
constexpr std::size_t kReadBytes = 64 << 10;
// One sequence number for each message: batches stay far apart.
constexpr std::uint32_t kFirstSequence = 1;

std::string reason(int code) {
  std::array<char, 128> buffer{};
  return ::strerror_r(code, buffer.data(), buffer.size());
}

constexpr std::size_t aligned(std::size_t length) {
  return (length + 3) & ~std::size_t{3};
}  // NLMSG_ALIGN, NLA_ALIGN

// The kernel's own words in an error answer (NLMSGERR_ATTR_MSG), if it has any.
std::optional<std::string_view> extended_text(const nlmsghdr& header) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return std::nullopt;
  const auto* error = static_cast<const nlmsgerr*>(::mnl_nlmsg_get_payload(&header));
  ByteSpan rest(static_cast<const std::uint8_t*>(::mnl_nlmsg_get_payload(&header)),
                ::mnl_nlmsg_get_payload_len(&header));
  // The refused message is repeated in front of the attributes unless the answer is capped.
  std::size_t skip = sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) skip += aligned(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  while (rest.size() >= skip + sizeof(nlattr)) {
    rest = rest.subspan(skip);
    const auto* attribute = reinterpret_cast<const nlattr*>(rest.data());
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > rest.size()) return std::nullopt;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const std::string_view text(reinterpret_cast<const char*>(rest.data() + sizeof(nlattr)),
                                  attribute->nla_len - sizeof(nlattr));
      return text.substr(0, text.find('\0'));
    }
    skip = aligned(attribute->nla_len);
  }
  return std::nullopt;
}

Refusal whole_transaction(int code, std::string text) {
  return {.object = Origin{}.describe(), .code = code, .text = std::move(text)};
}

Refusal refusal_of(const Batch& batch, const nlmsghdr& header, int code) {
  std::string text = reason(code);
  if (const auto words = extended_text(header)) text += fmt::format(" ({})", *words);
  const Origin* origin = batch.origin(header.nlmsg_seq);
  // A failed commit is reported with the number of BATCH_BEGIN.
  if (origin == nullptr) return whole_transaction(code, std::move(text));
  return {origin->where, origin->describe(), code, std::move(text)};
}

// NLMSG_ERROR: 0 is an acknowledgement, otherwise a positive errno. Nothing: malformed.
std::optional<int> error_code(const nlmsghdr& header) {
  if (::mnl_nlmsg_get_payload_len(&header) < sizeof(nlmsgerr)) return std::nullopt;
  return -static_cast<const nlmsgerr*>(::mnl_nlmsg_get_payload(&header))->error;
}

}  // namespace

Result<Conversation> Conversation::open() {
  auto socket = NetlinkSocket::open({.bus = NETLINK_NETFILTER,
                                     .receive_buffer_bytes = kReceiveBufferBytes,
                                     .send_buffer_bytes = kSendBufferBytes,
                                     .blocking = false});
  if (!socket) return std::unexpected(socket.error());
  return Conversation(std::move(*socket));
}

Conversation::Conversation(NetlinkSocket socket)
    : socket_(std::move(socket)), buffer_(kReadBytes), sequence_(kFirstSequence) {}

bool Conversation::exchange(Batch& batch, ByteSpan bytes, Answer& answer) {
  sequence_ = batch.last_sequence() + 2;  // BATCH_END has one, too
  bool acknowledged = false;
  std::map<std::uint32_t, Refusal> refused;  // by message; the kernel may replay a batch and say it again
  const Instant start = monotonic_now();
  const Status sent = socket_.send(bytes);
  answer.in_kernel = monotonic_now() - start;
  if (!sent) {
    answer.refusals.push_back(whole_transaction(sent.error().code, sent.error().text));
    return false;
  }
  for (;;) {
    const auto got = socket_.receive(buffer_);
    if (!got) {  // answers were lost: what became of the batch is not known
      answer.refusals.push_back(whole_transaction(got.error().code, got.error().text));
      return false;
    }
    if (*got == 0) break;
    for_each_message(ByteSpan(buffer_).first(*got), [&](const nlmsghdr& header) {
      const auto code = header.nlmsg_type == NLMSG_ERROR ? error_code(header) : std::nullopt;
      if (!code) return true;
      if (*code == 0) {
        acknowledged |= header.nlmsg_seq == batch.last_sequence();
      } else if (*code == ERESTART && header.nlmsg_seq == batch.first_sequence()) {
        answer.stale = true;
      } else {
        refused.insert_or_assign(header.nlmsg_seq, refusal_of(batch, header, *code));
      }
      return true;
    });
  }
  for (auto& [sequence, refusal] : refused) answer.refusals.push_back(std::move(refusal));
  return acknowledged;
}

Answer Conversation::commit(Batch& batch, std::uint32_t genid) {
  Answer answer;
  answer.refusals = batch.own_refusals();
  if (!answer.refusals.empty()) return answer;
  const bool acknowledged = exchange(batch, batch.seal(genid, true), answer);
  if (answer.stale || !answer.refusals.empty()) return answer;
  if (!acknowledged) {
    answer.refusals.push_back(whole_transaction(EPROTO, "the last message was not acknowledged"));
    return answer;
  }
  const auto after = generation();
  if (!after || *after == genid) {
    answer.refusals.push_back(
        whole_transaction(after ? EPROTO : after.error().code, "the new generation could not be read back"));
    return answer;
  }
  answer.genid = *after;
  return answer;
}

Answer Conversation::dry_run(Batch& batch) {
  Answer answer;
  answer.refusals = batch.own_refusals();
  if (answer.refusals.empty()) exchange(batch, batch.seal(0, false), answer);
  return answer;
}

Result<std::uint32_t> Conversation::generation() {
  alignas(nlmsghdr) std::array<std::uint8_t, 64> request{};
  const std::uint32_t sequence = sequence_++;
  const nlmsghdr* header = ::nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(request.data()), NFT_MSG_GETGEN,
                                                   NFPROTO_UNSPEC, 0, sequence);
  if (const Status sent = socket_.send(ByteSpan(request).first(header->nlmsg_len)); !sent) {
    return std::unexpected(sent.error());
  }
  std::optional<std::uint32_t> genid;
  int refused = 0;
  for (;;) {
    const auto got = socket_.receive(buffer_);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    for_each_message(ByteSpan(buffer_).first(*got), [&](const nlmsghdr& answer) {
      if (answer.nlmsg_seq != sequence) return true;
      if (answer.nlmsg_type == NLMSG_ERROR) {
        refused = error_code(answer).value_or(EPROTO);
        return true;
      }
      const GenerationHandle parsed(allocated(::nftnl_gen_alloc()));
      if (::nftnl_gen_nlmsg_parse(&answer, parsed.get()) == 0) {
        genid = ::nftnl_gen_get_u32(parsed.get(), NFTNL_GEN_ID);
      }
      return true;
    });
  }
  if (genid) return *genid;
  return fail_errno("read the nftables generation", refused != 0 ? refused : EPROTO, Blame::kernel);
}

Status Conversation::dump(std::uint16_t type, const std::string& table,
                          const std::function<void(const nlmsghdr&)>& each, const std::string& within) {
  alignas(nlmsghdr) std::array<std::uint8_t, 768> request{};  // two names of 255 bytes
  const std::uint32_t sequence = sequence_++;
  nlmsghdr* header = ::nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(request.data()), type, NFPROTO_INET,
                                             NLM_F_DUMP, sequence);
  // NFTA_OBJ_TABLE, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE: all are 1.
  if (!table.empty()) ::mnl_attr_put_strz(header, NFTA_OBJ_TABLE, table.c_str());
  // NFTA_RULE_CHAIN, NFTA_SET_ELEM_LIST_SET: both are 2.
  if (!within.empty()) ::mnl_attr_put_strz(header, NFTA_RULE_CHAIN, within.c_str());
  if (const Status sent = socket_.send(ByteSpan(request).first(header->nlmsg_len)); !sent) return sent;
  int refused = 0;
  bool done = false;
  while (!done) {
    const auto got = socket_.receive(buffer_);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return fail_errno("dump of nftables objects ends early", EPROTO, Blame::kernel);
    for_each_message(ByteSpan(buffer_).first(*got), [&](const nlmsghdr& answer) {
      if (answer.nlmsg_seq != sequence) return true;
      if ((answer.nlmsg_flags & NLM_F_DUMP_INTR) != 0) refused = EINTR;
      if (answer.nlmsg_type == NLMSG_ERROR) refused = error_code(answer).value_or(EPROTO);
      done |= answer.nlmsg_type == NLMSG_ERROR || answer.nlmsg_type == NLMSG_DONE;
      if (!done) each(answer);
      return true;
    });
  }
  if (refused != 0) return fail_errno("dump nftables objects", refused, Blame::kernel);
  return {};
}

}  // namespace ftfw::firewall::linux_nft
