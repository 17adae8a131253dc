#include "firewall/linux/sets.hpp"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <string>

#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

// An element takes at most 16 bytes of key and 16 of headers: far below kMaxMessageBytes.
constexpr std::size_t kElementsPerMessage = 1000;
constexpr std::uint32_t kHostEndian = 1;  // enum byteorder of nftables (include/datatype.h)

SetHandle describe(const AnonymousSet& set, const std::string& table, std::uint32_t id) {
  SetHandle handle(allocated(::nftnl_set_alloc()));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_TABLE, table.c_str());
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_NAME, kAnonymousSetName);
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_ID, id);
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT);
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_KEY_TYPE, static_cast<std::uint32_t>(set.key_type));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_KEY_LEN,
                      static_cast<std::uint32_t>(set.elements.front().size()));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_DESC_SIZE, static_cast<std::uint32_t>(set.elements.size()));
  // Names lie as the host keeps them. Nothing but `nft list` asks for that, and prints them empty without it.
  if (set.key_type == KeyType::interface_name) {
    const UserdataHandle data(allocated(::nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN)));
    if (::nftnl_udata_put_u32(data.get(), NFTNL_UDATA_SET_KEYBYTEORDER, kHostEndian)) {
      ::nftnl_set_set_data(handle.get(), NFTNL_SET_USERDATA, ::nftnl_udata_buf_data(data.get()),
                           ::nftnl_udata_buf_len(data.get()));
    }
  }
  return handle;
}

// Without the description: NEWSETELEM names table, set and id only.
SetHandle with_elements(const std::string& table, std::uint32_t id, std::span<const ByteVector> elements) {
  SetHandle handle(allocated(::nftnl_set_alloc()));
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_TABLE, table.c_str());
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_NAME, kAnonymousSetName);
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_ID, id);
  for (const ByteVector& key : elements) {
    nftnl_set_elem* element = allocated(::nftnl_set_elem_alloc());
    ::nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key.data(), static_cast<std::uint32_t>(key.size()));
    ::nftnl_set_elem_add(handle.get(), element);
  }
  return handle;
}

}  // namespace

std::uint32_t add_set(Batch& batch, const Origin& origin, const AnonymousSet& set) {
  const std::string table(origin.table);
  const std::uint32_t id = batch.next_set_id();
  const SetHandle described = describe(set, table, id);
  batch.add(NFT_MSG_NEWSET, NLM_F_CREATE, origin,
            [&](nlmsghdr& header) { ::nftnl_set_nlmsg_build_payload(&header, described.get()); });
  const std::span<const ByteVector> all(set.elements);
  for (std::size_t from = 0; from < all.size(); from += kElementsPerMessage) {
    const SetHandle part =
        with_elements(table, id, all.subspan(from, std::min(kElementsPerMessage, all.size() - from)));
    batch.add(NFT_MSG_NEWSETELEM, NLM_F_CREATE, origin,
              [&](nlmsghdr& header) { ::nftnl_set_elems_nlmsg_build_payload(&header, part.get()); });
  }
  return id;
}

}  // namespace ftfw::firewall::linux_nft
