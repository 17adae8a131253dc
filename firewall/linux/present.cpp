#include "firewall/linux/present.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

struct Edge {
  ByteVector key;
  bool ends = false;
  auto operator<=>(const Edge&) const = default;
};

void note_edges(const nlmsghdr& header, std::vector<Edge>& edges) {
  const SetHandle set(allocated(::nftnl_set_alloc()));
  if (::nftnl_set_elems_nlmsg_parse(&header, set.get()) != 0) return;
  const auto note = [](nftnl_set_elem* element, void* to) {
    std::uint32_t length = 0;
    const auto* key =
        static_cast<const std::uint8_t*>(::nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &length));
    const bool flagged = ::nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS);
    const std::uint32_t flags = flagged ? ::nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) : 0;
    if (key != nullptr) {
      static_cast<std::vector<Edge>*>(to)->push_back(
          {.key = {key, key + length}, .ends = (flags & NFT_SET_ELEM_INTERVAL_END) != 0});
    }
    return 0;
  };
  ::nftnl_set_elem_foreach(set.get(), note, &edges);
}

// The one in front.
ByteVector before(ByteVector key) {
  for (std::size_t i = key.size(); i-- > 0;) {
    if (key[i]-- != 0) break;
  }
  return key;
}

bool add_range(SetObject& to, const ByteVector& first, const ByteVector& last) {
  if (to.type == config::GroupType::ports) {
    if (first.size() != 2 || last.size() != 2) return false;
    const auto port = [](const ByteVector& key) {
      return static_cast<std::uint16_t>((key[0] << 8) | key[1]);
    };
    to.ports.push_back({port(first), port(last)});
    return true;
  }
  const auto begins = IpAddress::from_bytes(first);
  const auto ends = IpAddress::from_bytes(last);
  if (!begins || !ends) return false;
  to.addresses.push_back({*begins, *ends});
  return true;
}

// What sets.cpp makes of intervals, back again. An end in front of all says that nothing belongs to the set
// there; the last interval may have no end.
bool add_intervals(SetObject& to, const std::vector<Edge>& edges) {
  std::size_t i = !edges.empty() && edges.front().ends ? 1 : 0;
  while (i < edges.size()) {
    if (edges[i].ends) return false;
    const bool closed = i + 1 < edges.size();
    if (closed && !edges[i + 1].ends) return false;
    const ByteVector last =
        closed ? before(edges[i + 1].key) : ByteVector(edges[i].key.size(), std::uint8_t{0xff});
    if (!add_range(to, edges[i].key, last)) return false;
    i += 2;
  }
  return true;
}

}  // namespace

Result<std::vector<PresentChain>> read_chains(Conversation& conversation, const std::string& table) {
  std::vector<PresentChain> chains;
  const Status dumped = conversation.dump(NFT_MSG_GETCHAIN, "", [&](const nlmsghdr& header) {
    const ChainHandle chain(allocated(::nftnl_chain_alloc()));
    if (::nftnl_chain_nlmsg_parse(&header, chain.get()) != 0) return;
    const char* of = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE);
    const char* name = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME);
    if (of == nullptr || name == nullptr || of != table) return;
    PresentChain present{.name = name, .base = ::nftnl_chain_is_set(chain.get(), NFTNL_CHAIN_HOOKNUM)};
    if (present.base) {
      const char* type = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TYPE);
      present.type = type == nullptr ? "" : type;
      present.hook = ::nftnl_chain_get_u32(chain.get(), NFTNL_CHAIN_HOOKNUM);
      present.priority = ::nftnl_chain_get_s32(chain.get(), NFTNL_CHAIN_PRIO);
    }
    chains.push_back(std::move(present));
  });
  if (!dumped) return std::unexpected(dumped.error());
  return chains;
}

Result<std::vector<std::uint64_t>> read_rule_handles(Conversation& conversation, const std::string& table,
                                                     const std::string& chain) {
  std::vector<std::uint64_t> handles;
  const Status dumped = conversation.dump(
      NFT_MSG_GETRULE, table,
      [&](const nlmsghdr& header) {
        const RuleHandle rule(allocated(::nftnl_rule_alloc()));
        if (::nftnl_rule_nlmsg_parse(&header, rule.get()) != 0) return;
        const char* of = ::nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN);
        if (of != nullptr && of == chain)
          handles.push_back(::nftnl_rule_get_u64(rule.get(), NFTNL_RULE_HANDLE));
      },
      chain);
  if (!dumped) return std::unexpected(dumped.error());
  return handles;
}

Result<std::optional<SetObject>> read_elements(Conversation& conversation, const std::string& table,
                                               const SetObject& set) {
  std::vector<Edge> edges;
  const Status dumped = conversation.dump(
      NFT_MSG_GETSETELEM, table, [&](const nlmsghdr& header) { note_edges(header, edges); }, set.name);
  if (!dumped) return std::unexpected(dumped.error());
  // Of one key the end comes first: it belongs to the interval before.
  std::ranges::sort(
      edges, [](const Edge& a, const Edge& b) { return a.key != b.key ? a.key < b.key : a.ends && !b.ends; });
  SetObject present{.name = set.name, .type = set.type, .family = set.family, .where = set.where};
  bool sound = true;
  if (set.has_intervals()) {
    sound = add_intervals(present, edges);
  } else {
    for (const Edge& edge : edges) sound = sound && add_range(present, edge.key, edge.key);
  }
  if (!sound) return std::nullopt;
  return present;
}

}  // namespace ftfw::firewall::linux_nft
