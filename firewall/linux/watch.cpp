#include "firewall/linux/watch.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string_view>
#include <utility>

namespace ftfw::firewall {
namespace {

constexpr int kSocketBufferBytes = 8 << 20;  // a flush of 10,000 rules in one go
constexpr int kMaxDatagramsPerRead = 512;

// In every message about a table or what is in it: NFTA_TABLE_NAME, NFTA_RULE_TABLE, NFTA_SET_TABLE ...
constexpr std::uint16_t kTableAttribute = 1;
// NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET
constexpr std::uint16_t kSetAttribute = 2;

// All messages of one datagram are of one transaction, so its first one tells whose it is.
Status ignore_commits_of(int fd, std::uint32_t port) {
  std::array<sock_filter, 4> program{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0), sock_filter BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
  const sock_fprog attach{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof attach) != 0)
    return fail_errno("filter of nftables events", errno);
  return {};
}

// The attribute of this type, inside the message; empty: there is none.
ByteSpan attribute_of(const nlmsghdr& message, std::uint16_t type) {
  ByteSpan rest(static_cast<const std::uint8_t*>(::mnl_nlmsg_get_payload(&message)),
                ::mnl_nlmsg_get_payload_len(&message));
  std::size_t skip = sizeof(nfgenmsg);
  while (rest.size() >= skip + sizeof(nlattr)) {
    rest = rest.subspan(skip);
    const auto* attribute = reinterpret_cast<const nlattr*>(rest.data());
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > rest.size()) return {};
    const ByteSpan value = rest.subspan(sizeof(nlattr), attribute->nla_len - sizeof(nlattr));
    if ((attribute->nla_type & NLA_TYPE_MASK) == type) return value;
    skip = (attribute->nla_len + std::size_t{3}) & ~std::size_t{3};  // NLA_ALIGN
  }
  return {};
}

std::string text_of(const nlmsghdr& message, std::uint16_t type) {
  const ByteSpan value = attribute_of(message, type);
  const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  return std::string(text.substr(0, text.find('\0')));
}

std::uint32_t number_of(const nlmsghdr& message, std::uint16_t type) {
  ByteReader reader(attribute_of(message, type));
  const std::uint32_t number = reader.u32();
  return reader.ok() ? number : 0;
}

// The kernel tells the thread; people know processes. One that has ended has its number only.
std::uint32_t process_of(std::uint32_t thread) {
  std::ifstream status(fmt::format("/proc/{}/status", thread));
  for (std::string word; status >> word;) {
    std::uint32_t group = 0;
    if (word == "Tgid:" && status >> group) return group;
  }
  return thread;
}

// Sets that belong to one rule come and go with it.
bool is_anonymous(std::string_view set) {
  return set.starts_with("__set") || set.starts_with("__map");
}

void touch(Touched& table, std::uint16_t type, const nlmsghdr& message) {
  switch (type) {
    case NFT_MSG_DELTABLE:
      table = Touched{.deleted = true};
      return;
    case NFT_MSG_NEWTABLE:
      table.itself = true;
      return;
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      table.chains = true;
      return;
    case NFT_MSG_NEWSET:
    case NFT_MSG_DELSET:
      table.objects = table.objects || !is_anonymous(text_of(message, kSetAttribute));
      return;
    case NFT_MSG_NEWSETELEM:
    case NFT_MSG_DELSETELEM:
      if (const std::string set = text_of(message, kSetAttribute); !is_anonymous(set))
        table.elements.insert(set);
      return;
    case NFT_MSG_NEWOBJ:
    case NFT_MSG_DELOBJ:
    case NFT_MSG_NEWFLOWTABLE:
    case NFT_MSG_DELFLOWTABLE:
      table.objects = true;
      return;
    default:
      return;  // a message type is a number and no enum: traces and the like do not concern us
  }
}

}  // namespace

void Touched::merge(const Touched& more) {
  deleted = deleted || more.deleted;
  itself = itself || more.itself;
  chains = chains || more.chains;
  objects = objects || more.objects;
  elements.insert(more.elements.begin(), more.elements.end());
}

std::string describe(const TouchedTables& tables) {
  std::vector<std::string> parts;
  for (const auto& [name, touched] : tables) {
    std::vector<std::string> what;
    if (touched.chains) what.emplace_back("rules");
    if (touched.objects) what.emplace_back("objects");
    for (const std::string& set : touched.elements) what.push_back("elements of " + set);
    if (touched.deleted) {
      parts.push_back(fmt::format("deleted table {}", name));
    } else if (what.empty()) {
      parts.push_back(fmt::format("changed the flags of table {}", name));
    } else {
      parts.push_back(fmt::format("changed {} in table {}", fmt::join(what, " and "), name));
    }
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

Result<RulesetWatch> RulesetWatch::open(std::uint32_t own_port) {
  auto events = NetlinkSocket::open(
      {.bus = NETLINK_NETFILTER, .receive_buffer_bytes = kSocketBufferBytes, .blocking = false});
  if (!events) return std::unexpected(events.error());
  if (const Status filtered = ignore_commits_of(events->fd(), own_port); !filtered)
    return std::unexpected(filtered.error());
  if (const Status joined = events->join(NFNLGRP_NFTABLES); !joined) return std::unexpected(joined.error());
  return RulesetWatch(NetlinkEvents(std::move(*events), kMaxDatagramsPerRead));
}

void RulesetWatch::take(const nlmsghdr& message, ForeignCommits& commits) {
  if (NFNL_SUBSYS_ID(message.nlmsg_type) != NFNL_SUBSYS_NFTABLES) return;
  if (::mnl_nlmsg_get_payload_len(&message) < sizeof(nfgenmsg)) return;
  const auto type = static_cast<std::uint16_t>(NFNL_MSG_TYPE(message.nlmsg_type));
  if (type == NFT_MSG_NEWGEN) {
    open_.genid = number_of(message, NFTA_GEN_ID);
    open_.program = text_of(message, NFTA_GEN_PROC_NAME);
    open_.process = process_of(number_of(message, NFTA_GEN_PROC_PID));
    commits.commits.push_back(std::exchange(open_, {}));
    return;
  }
  const auto* family = static_cast<const nfgenmsg*>(::mnl_nlmsg_get_payload(&message));
  if (family->nfgen_family != NFPROTO_INET) return;
  const std::string table = text_of(message, kTableAttribute);
  if (!table.empty()) touch(open_.tables[table], type, message);
}

Result<ForeignCommits> RulesetWatch::read() {
  ForeignCommits commits;
  const auto lost = events_.read([&](const nlmsghdr& message) { take(message, commits); });
  if (!lost) return std::unexpected(lost.error());
  if (*lost) {
    commits.lost = true;
    open_ = {};
  }
  return commits;
}

}  // namespace ftfw::firewall
