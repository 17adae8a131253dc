#include "firewall/linux/tables.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "firewall/linux/chains.hpp"
#include "firewall/linux/handles.hpp"
#include "firewall/linux/mark.hpp"
#include "firewall/linux/sets.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

TableHandle make_table(const std::string& name) {
  TableHandle handle(allocated(::nftnl_table_alloc()));
  ::nftnl_table_set_u32(handle.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
  ::nftnl_table_set_str(handle.get(), NFTNL_TABLE_NAME, name.c_str());
  return handle;
}

// Always present: a message without the attribute wakes nothing.
void set_flags(const TableHandle& handle, Activity activity) {
  ::nftnl_table_set_u32(handle.get(), NFTNL_TABLE_FLAGS,
                        activity == Activity::dormant ? NFT_TABLE_F_DORMANT : 0);
}

void add_message(Batch& batch, const Origin& origin, const TableHandle& handle, std::uint16_t type,
                 std::uint16_t flags) {
  batch.add(type, flags, origin,
            [&](nlmsghdr& header) { ::nftnl_table_nlmsg_build_payload(&header, handle.get()); });
}

}  // namespace

void create_table(Batch& batch, const Table& table, Activity activity, std::uint64_t author) {
  const TableHandle handle = make_table(table.name);
  const ByteVector mark = encode_mark(mark_of(table, author));
  set_flags(handle, activity);
  ::nftnl_table_set_data(handle.get(), NFTNL_TABLE_USERDATA, mark.data(),
                         static_cast<std::uint32_t>(mark.size()));
  add_message(batch, {.where = table.where, .table = table.name}, handle, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

namespace {

void fill_objects(Batch& batch, const Table& table, const CounterValues& carried, bool all_elements) {
  for (const HelperObject& helper : table.helpers) add_object(batch, table.name, helper);
  for (const CounterObject& counter : table.counters) add_object(batch, table.name, counter, carried);
  for (const SetObject& set : table.sets) {
    add_empty_set(batch, table.name, set);
    if (all_elements || !is_large(set)) add_elements(batch, table.name, set, 0, set.size());
  }
  for (const FlowtableObject& flowtable : table.flowtables) add_object(batch, table.name, flowtable);
}

}  // namespace

void fill_table(Batch& batch, const Table& table, const CounterValues& carried) {
  fill_objects(batch, table, carried, true);
  fill_chains(batch, table);
}

void fill_objects(Batch& batch, const Table& table, const CounterValues& carried) {
  fill_objects(batch, table, carried, false);
}

void fill_chains(Batch& batch, const Table& table) {
  for (const Chain& chain : table.chains) add_chain(batch, table.name, chain);
  for (const Chain& chain : table.chains) add_rules(batch, table.name, chain);
}

void delete_table(Batch& batch, const std::string& name) {
  const TableHandle handle = make_table(name);
  add_message(batch, {.table = name}, handle, NFT_MSG_DELTABLE, 0);
}

void toggle_table(Batch& batch, const std::string& name, Activity activity) {
  const TableHandle handle = make_table(name);
  set_flags(handle, activity);
  add_message(batch, {.table = name}, handle, NFT_MSG_NEWTABLE, 0);
}

}  // namespace ftfw::firewall::linux_nft
