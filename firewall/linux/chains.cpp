#include "firewall/linux/chains.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "firewall/linux/expressions.hpp"
#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {

std::uint32_t hook_number(Hook hook) {
  switch (hook) {
    case Hook::prerouting:
      return NF_INET_PRE_ROUTING;
    case Hook::input:
      return NF_INET_LOCAL_IN;
    case Hook::forward:
      return NF_INET_FORWARD;
    case Hook::output:
      return NF_INET_LOCAL_OUT;
    case Hook::postrouting:
      return NF_INET_POST_ROUTING;
  }
  return NF_INET_NUMHOOKS;
}

const char* type_name(ChainType type) {
  return type == ChainType::nat ? "nat" : "filter";
}

namespace {

ChainHandle make_chain(const std::string& table, const Chain& chain) {
  ChainHandle handle(allocated(::nftnl_chain_alloc()));
  ::nftnl_chain_set_u32(handle.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
  ::nftnl_chain_set_str(handle.get(), NFTNL_CHAIN_TABLE, table.c_str());
  ::nftnl_chain_set_str(handle.get(), NFTNL_CHAIN_NAME, chain.name.c_str());
  return handle;
}

void set_comment(nftnl_rule& rule, const std::string& comment) {
  const UserdataHandle data(allocated(::nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN)));
  if (!::nftnl_udata_put_strz(data.get(), NFTNL_UDATA_RULE_COMMENT, comment.c_str())) return;
  ::nftnl_rule_set_data(&rule, NFTNL_RULE_USERDATA, ::nftnl_udata_buf_data(data.get()),
                        ::nftnl_udata_buf_len(data.get()));
}

// chain: empty for a message about all of the table.
RuleHandle make_rule(const std::string& table, const std::string& chain) {
  RuleHandle handle(allocated(::nftnl_rule_alloc()));
  ::nftnl_rule_set_u32(handle.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  ::nftnl_rule_set_str(handle.get(), NFTNL_RULE_TABLE, table.c_str());
  if (!chain.empty()) ::nftnl_rule_set_str(handle.get(), NFTNL_RULE_CHAIN, chain.c_str());
  return handle;
}

Origin origin_of(const std::string& table, const Chain& chain) {
  return {.where = chain.where, .table = table, .kind = "chain", .name = chain.name};
}

}  // namespace

void add_chain(Batch& batch, const std::string& table, const Chain& chain) {
  const ChainHandle handle = make_chain(table, chain);
  if (chain.base) {
    ::nftnl_chain_set_str(handle.get(), NFTNL_CHAIN_TYPE, type_name(chain.base->type));
    ::nftnl_chain_set_u32(handle.get(), NFTNL_CHAIN_HOOKNUM, hook_number(chain.base->hook));
    ::nftnl_chain_set_s32(handle.get(), NFTNL_CHAIN_PRIO, chain.base->priority);
    ::nftnl_chain_set_u32(handle.get(), NFTNL_CHAIN_POLICY,
                          chain.base->policy == Policy::drop ? NF_DROP : NF_ACCEPT);
  }
  batch.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, origin_of(table, chain),
            [&](nlmsghdr& header) { ::nftnl_chain_nlmsg_build_payload(&header, handle.get()); });
}

void add_rules(Batch& batch, const std::string& table, const Chain& chain) {
  for (const Rule& rule : chain.rules) add_rule(batch, table, chain, rule, std::nullopt);
}

void add_rule(Batch& batch, const std::string& table, const Chain& chain, const Rule& rule,
              std::optional<std::uint64_t> before) {
  const Origin origin{
      .where = rule.where, .table = table, .kind = "chain", .name = chain.name, .rule = &rule};
  const RuleHandle handle = make_rule(table, chain.name);
  if (before) ::nftnl_rule_set_u64(handle.get(), NFTNL_RULE_POSITION, *before);
  if (!rule.comment.empty()) set_comment(*handle, rule.comment);
  add_expressions(batch, origin, rule, *handle);
  const int place = before ? 0 : NLM_F_APPEND;
  batch.add(NFT_MSG_NEWRULE, static_cast<std::uint16_t>(NLM_F_CREATE | place), origin,
            [&](nlmsghdr& header) { ::nftnl_rule_nlmsg_build_payload(&header, handle.get()); });
}

void delete_rule(Batch& batch, const std::string& table, const Chain& chain, std::uint64_t handle) {
  const RuleHandle rule = make_rule(table, chain.name);
  ::nftnl_rule_set_u64(rule.get(), NFTNL_RULE_HANDLE, handle);
  batch.add(NFT_MSG_DELRULE, 0, origin_of(table, chain),
            [&](nlmsghdr& header) { ::nftnl_rule_nlmsg_build_payload(&header, rule.get()); });
}

void delete_rules(Batch& batch, const std::string& table, const std::string& chain) {
  const RuleHandle rules = make_rule(table, chain);
  Origin origin{.table = table};
  if (!chain.empty()) {
    origin.kind = "chain";
    origin.name = chain;
  }
  batch.add(NFT_MSG_DELRULE, 0, origin,
            [&](nlmsghdr& header) { ::nftnl_rule_nlmsg_build_payload(&header, rules.get()); });
}

void delete_chain(Batch& batch, const std::string& table, const Chain& chain) {
  const ChainHandle handle = make_chain(table, chain);
  batch.add(NFT_MSG_DELCHAIN, 0, origin_of(table, chain),
            [&](nlmsghdr& header) { ::nftnl_chain_nlmsg_build_payload(&header, handle.get()); });
}

}  // namespace ftfw::firewall::linux_nft
