#include "firewall/linux/installed.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>

#include "firewall/guard.hpp"
#include "firewall/linux/handles.hpp"

namespace ftfw::firewall {

const InstalledTable* Installed::find(std::string_view name) const {
  const auto found = std::ranges::find(tables, name, &InstalledTable::name);
  return found == tables.end() ? nullptr : &*found;
}

namespace linux_nft {
namespace {

// Somebody commits between two of our reads: seen by the generation, read again.
constexpr int kReadAttempts = 16;

void note_table(const nlmsghdr& header, Installed& installed) {
  const TableHandle table(allocated(::nftnl_table_alloc()));
  if (::nftnl_table_nlmsg_parse(&header, table.get()) != 0) return;
  const char* name = ::nftnl_table_get_str(table.get(), NFTNL_TABLE_NAME);
  if (name == nullptr) return;
  InstalledTable noted{.name = name};
  noted.dormant = (::nftnl_table_get_u32(table.get(), NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT) != 0;
  std::uint32_t length = 0;
  const void* userdata = ::nftnl_table_get_data(table.get(), NFTNL_TABLE_USERDATA, &length);
  if (userdata != nullptr) noted.mark = decode_mark({static_cast<const std::uint8_t*>(userdata), length});
  installed.tables.push_back(std::move(noted));
}

void note_chain(const nlmsghdr& header, Installed& installed) {
  const ChainHandle chain(allocated(::nftnl_chain_alloc()));
  if (::nftnl_chain_nlmsg_parse(&header, chain.get()) != 0) return;
  const char* table = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE);
  const char* name = ::nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME);
  if (table == nullptr || name == nullptr) return;
  const auto of = std::ranges::find(installed.tables, table, &InstalledTable::name);
  if (of != installed.tables.end()) of->complete = true;
  if (table != std::string_view(kGuardTable)) return;
  installed.guard |= name == std::string_view(kGuardChain);
  installed.gate |= name == std::string_view(kGateChain);
  installed.shield |= name == std::string_view(kShieldChain);
}

Result<Installed> read_once(Conversation& conversation) {
  Installed installed;
  const auto before = conversation.generation();
  if (!before) return std::unexpected(before.error());
  installed.genid = *before;
  const Status tables =
      conversation.dump(NFT_MSG_GETTABLE, "", [&](const nlmsghdr& header) { note_table(header, installed); });
  if (!tables) return std::unexpected(tables.error());
  if (std::ranges::any_of(installed.tables,
                          [](const InstalledTable& table) { return table.mark.has_value(); })) {
    const Status chains = conversation.dump(NFT_MSG_GETCHAIN, "",
                                            [&](const nlmsghdr& header) { note_chain(header, installed); });
    if (!chains) return std::unexpected(chains.error());
  }
  const auto after = conversation.generation();
  if (!after) return std::unexpected(after.error());
  if (*after != *before) return fail_errno("read the nftables tables", EINTR, Blame::kernel);
  return installed;
}

}  // namespace

Result<Installed> read_installed(Conversation& conversation) {
  auto installed = read_once(conversation);
  for (int attempt = 1; attempt < kReadAttempts && !installed && installed.error().code == EINTR; ++attempt) {
    installed = read_once(conversation);
  }
  return installed;
}

Result<CounterValues> read_counters(Conversation& conversation, const std::string& table) {
  CounterValues values;
  const auto note = [&](const nlmsghdr& header) {
    const ObjectHandle object(allocated(::nftnl_obj_alloc()));
    if (::nftnl_obj_nlmsg_parse(&header, object.get()) != 0) return;
    const char* of = ::nftnl_obj_get_str(object.get(), NFTNL_OBJ_TABLE);
    const char* name = ::nftnl_obj_get_str(object.get(), NFTNL_OBJ_NAME);
    if (of == nullptr || name == nullptr || of != table) return;
    if (::nftnl_obj_get_u32(object.get(), NFTNL_OBJ_TYPE) != NFT_OBJECT_COUNTER) return;
    values[name] = {.packets = ::nftnl_obj_get_u64(object.get(), NFTNL_OBJ_CTR_PKTS),
                    .bytes = ::nftnl_obj_get_u64(object.get(), NFTNL_OBJ_CTR_BYTES)};
  };
  Status dumped = fail_errno("read counters", EINTR, Blame::kernel);
  for (int attempt = 0; attempt < kReadAttempts && !dumped && dumped.error().code == EINTR; ++attempt) {
    values.clear();
    dumped = conversation.dump(NFT_MSG_GETOBJ, table, note);
  }
  if (!dumped) return std::unexpected(dumped.error());
  return values;
}

}  // namespace linux_nft
}  // namespace ftfw::firewall
