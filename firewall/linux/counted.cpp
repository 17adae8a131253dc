#include "firewall/linux/counted.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "firewall/linux/handles.hpp"
#include "firewall/linux/installed.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

constexpr int kReadAttempts = 16;  // somebody commits meanwhile

using RuleExpressions = std::unique_ptr<nftnl_expr_iter, Deleter<nftnl_expr_iter_destroy>>;
using SetElements = std::unique_ptr<nftnl_set_elems_iter, Deleter<nftnl_set_elems_iter_destroy>>;

CountedRule read_rule(const nftnl_rule& rule) {
  CountedRule counted;
  const RuleExpressions each(allocated(::nftnl_expr_iter_create(&rule)));
  while (const nftnl_expr* expression = ::nftnl_expr_iter_next(each.get())) {
    const char* kind = ::nftnl_expr_get_str(expression, NFTNL_EXPR_NAME);
    if (kind == nullptr || kind != std::string_view("counter")) continue;
    counted.own = CounterValue{.packets = ::nftnl_expr_get_u64(expression, NFTNL_EXPR_CTR_PACKETS),
                               .bytes = ::nftnl_expr_get_u64(expression, NFTNL_EXPR_CTR_BYTES)};
  }
  return counted;
}

Status read_chains(Conversation& conversation, CountedTable& table) {
  const auto find = [&table](const char* name) -> CountedChain& {
    const auto found = std::ranges::find(table.chains, name, &CountedChain::name);
    return found != table.chains.end() ? *found : table.chains.emplace_back(CountedChain{.name = name});
  };
  const Status chains = conversation.dump(NFT_MSG_GETCHAIN, table.name, [&](const nlmsghdr& header) {
    const ChainHandle chain(allocated(::nftnl_chain_alloc()));
    if (::nftnl_chain_nlmsg_parse(&header, chain.get()) != 0) return;
    const char* of = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE);
    if (of != nullptr && of == table.name) find(::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME));
  });
  if (!chains) return chains;
  return conversation.dump(NFT_MSG_GETRULE, table.name, [&](const nlmsghdr& header) {
    const RuleHandle rule(allocated(::nftnl_rule_alloc()));
    if (::nftnl_rule_nlmsg_parse(&header, rule.get()) != 0) return;
    const char* of = ::nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE);
    const char* chain = ::nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN);
    if (of != nullptr && chain != nullptr && of == table.name) find(chain).rules.push_back(read_rule(*rule));
  });
}

std::size_t count_elements(const nlmsghdr& header) {
  const SetHandle part(allocated(::nftnl_set_alloc()));
  if (::nftnl_set_elems_nlmsg_parse(&header, part.get()) != 0) return 0;
  std::size_t count = 0;
  const SetElements each(allocated(::nftnl_set_elems_iter_create(part.get())));
  while (nftnl_set_elem* element = ::nftnl_set_elems_iter_next(each.get())) {
    const bool end =
        (::nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
    count += end ? 0 : 1;
  }
  return count;
}

Status read_sets(Conversation& conversation, CountedTable& table) {
  const Status sets = conversation.dump(NFT_MSG_GETSET, table.name, [&](const nlmsghdr& header) {
    const SetHandle set(allocated(::nftnl_set_alloc()));
    if (::nftnl_set_nlmsg_parse(&header, set.get()) != 0) return;
    const char* of = ::nftnl_set_get_str(set.get(), NFTNL_SET_TABLE);
    const bool named = (::nftnl_set_get_u32(set.get(), NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS) == 0;
    if (of != nullptr && of == table.name && named)
      table.sets.push_back({.name = ::nftnl_set_get_str(set.get(), NFTNL_SET_NAME)});
  });
  if (!sets) return sets;
  for (CountedSet& set : table.sets) {
    const Status counted = conversation.dump(
        NFT_MSG_GETSETELEM, table.name,
        [&set](const nlmsghdr& header) { set.elements += count_elements(header); }, set.name);
    if (!counted) return counted;
  }
  return {};
}

Result<CountedTable> read_table(Conversation& conversation, const InstalledTable& installed) {
  CountedTable table{.name = installed.name, .mark = *installed.mark, .dormant = installed.dormant};
  if (const Status chains = read_chains(conversation, table); !chains) return std::unexpected(chains.error());
  if (const Status sets = read_sets(conversation, table); !sets) return std::unexpected(sets.error());
  auto counters = read_counters(conversation, table.name);
  if (!counters) return std::unexpected(counters.error());
  table.counters = *std::move(counters);
  return table;
}

Result<std::vector<CountedTable>> read_once(Conversation& conversation) {
  const auto installed = read_installed(conversation);
  if (!installed) return std::unexpected(installed.error());
  std::vector<CountedTable> tables;
  for (const InstalledTable& one : installed->tables) {
    if (!one.mark) continue;
    auto table = read_table(conversation, one);
    if (!table) return std::unexpected(table.error());
    tables.push_back(*std::move(table));
  }
  const auto after = conversation.generation();
  if (!after) return std::unexpected(after.error());
  if (*after != installed->genid) return fail_errno("read the rules", EINTR, Blame::kernel);
  return tables;
}

}  // namespace

Result<std::vector<CountedTable>> read_counted(Conversation& conversation) {
  auto tables = read_once(conversation);
  // ENOENT: a table went between two reads.
  for (int attempt = 1; attempt < kReadAttempts && !tables; ++attempt) {
    if (tables.error().code != EINTR && tables.error().code != ENOENT) break;
    tables = read_once(conversation);
  }
  return tables;
}

}  // namespace ftfw::firewall::linux_nft
