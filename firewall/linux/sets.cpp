#include "firewall/linux/sets.hpp"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

// An element takes at most 16 bytes of key and 24 of headers, an interval is two: below kMaxMessageBytes.
constexpr std::size_t kIntervalsPerMessage = 500;
constexpr std::uint32_t kHostEndian = 1;  // enum byteorder of nftables (include/datatype.h)

// What the messages about one set need to know of it.
struct SetRef {
  std::string table;
  std::string name;
  std::uint32_t id = 0;
  bool intervals = false;
};

struct Description {
  KeyType type = KeyType::internet_service;
  std::uint32_t key_bytes = 0;
  std::uint32_t flags = 0;
  std::optional<std::uint32_t> size;  // how many there will be; none: it may change
};

SetHandle describe(const SetRef& set, const Description& what) {
  SetHandle handle(allocated(::nftnl_set_alloc()));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_TABLE, set.table.c_str());
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_NAME, set.name.c_str());
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_ID, set.id);
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_FLAGS,
                      what.flags | (set.intervals ? std::uint32_t{NFT_SET_INTERVAL} : 0U));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_KEY_TYPE, static_cast<std::uint32_t>(what.type));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_KEY_LEN, what.key_bytes);
  if (what.size) ::nftnl_set_set_u32(handle.get(), NFTNL_SET_DESC_SIZE, *what.size);
  // Names lie as the host keeps them. Nothing but `nft list` asks for that, and prints them empty without it.
  if (what.type == KeyType::interface_name) {
    const UserdataHandle data(allocated(::nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN)));
    if (::nftnl_udata_put_u32(data.get(), NFTNL_UDATA_SET_KEYBYTEORDER, kHostEndian)) {
      ::nftnl_set_set_data(handle.get(), NFTNL_SET_USERDATA, ::nftnl_udata_buf_data(data.get()),
                           ::nftnl_udata_buf_len(data.get()));
    }
  }
  return handle;
}

void add_element(nftnl_set& to, const ByteVector& key, std::uint32_t flags) {
  nftnl_set_elem* element = allocated(::nftnl_set_elem_alloc());
  ::nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key.data(), static_cast<std::uint32_t>(key.size()));
  if (flags != 0) ::nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, flags);
  ::nftnl_set_elem_add(&to, element);
}

// The one behind; nothing behind the greatest.
std::optional<ByteVector> behind(ByteVector key) {
  for (std::size_t i = key.size(); i-- > 0;) {
    if (++key[i] != 0) return key;
  }
  return std::nullopt;
}

bool is_zero(const ByteVector& key) {
  return std::ranges::all_of(key, [](std::uint8_t byte) { return byte == 0; });
}

// Without the description: NEWSETELEM names table, set and id only. begins: with the first of all intervals,
// before which the set says that nothing belongs to it.
SetHandle with_elements(const SetRef& set, std::span<const Interval> values, bool begins) {
  SetHandle handle(allocated(::nftnl_set_alloc()));
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_TABLE, set.table.c_str());
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_NAME, set.name.c_str());
  if (set.id != 0) ::nftnl_set_set_u32(handle.get(), NFTNL_SET_ID, set.id);
  if (set.intervals && begins && !is_zero(values.front().first))
    add_element(*handle, ByteVector(values.front().first.size()), NFT_SET_ELEM_INTERVAL_END);
  for (const Interval& value : values) {
    add_element(*handle, value.first, 0);
    const auto end = set.intervals ? behind(value.last) : std::nullopt;
    if (end) add_element(*handle, *end, NFT_SET_ELEM_INTERVAL_END);
  }
  return handle;
}

void add_elements(Batch& batch, const Origin& origin, const SetRef& set, std::span<const Interval> values,
                  bool begins) {
  for (std::size_t from = 0; from < values.size(); from += kIntervalsPerMessage) {
    const auto part = values.subspan(from, std::min(kIntervalsPerMessage, values.size() - from));
    const SetHandle elements = with_elements(set, part, begins && from == 0);
    batch.add(NFT_MSG_NEWSETELEM, NLM_F_CREATE, origin,
              [&](nlmsghdr& header) { ::nftnl_set_elems_nlmsg_build_payload(&header, elements.get()); });
  }
}

Origin origin_of(const std::string& table, const SetObject& set) {
  return {.where = set.where, .table = table, .kind = "set", .name = set.name};
}

std::vector<Interval> values_of(const SetObject& set, std::size_t from, std::size_t count) {
  std::vector<Interval> values;
  const std::size_t end = from + std::min(count, set.size() - from);
  values.reserve(end - from);
  for (std::size_t i = from; i < end; ++i) {
    if (set.type == config::GroupType::ports) {
      values.push_back({key_of(set.ports[i].first), key_of(set.ports[i].last)});
    } else {
      values.push_back({key_of(set.addresses[i].first), key_of(set.addresses[i].last)});
    }
  }
  return values;
}

// All of them, or those of `values`.
void delete_elements(Batch& batch, const Origin& origin, const SetRef& set, std::span<const Interval> values,
                     bool all) {
  for (std::size_t from = 0; all || from < values.size(); from += kIntervalsPerMessage) {
    const auto part = values.subspan(from, std::min(kIntervalsPerMessage, values.size() - from));
    const SetHandle elements = with_elements(set, part, false);
    batch.add(NFT_MSG_DELSETELEM, 0, origin,
              [&](nlmsghdr& header) { ::nftnl_set_elems_nlmsg_build_payload(&header, elements.get()); });
    if (all) return;
  }
}

}  // namespace

ByteVector key_of(const IpAddress& address) {
  const ByteSpan bytes = address.bytes();
  return {bytes.begin(), bytes.end()};
}

ByteVector key_of(std::uint16_t port) {
  return {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
}

std::uint32_t add_anonymous_set(Batch& batch, const Origin& origin, KeyType type,
                                const std::vector<Interval>& values) {
  const SetRef set{.table = origin.table,
                   .name = kAnonymousSetName,
                   .id = batch.next_set_id(),
                   .intervals = !std::ranges::all_of(values, &Interval::is_single)};
  // Of an interval set the kernel counts the ends, too.
  const auto size = static_cast<std::uint32_t>(set.intervals ? 2 * values.size() + 1 : values.size());
  const SetHandle described =
      describe(set, {.type = type,
                     .key_bytes = static_cast<std::uint32_t>(values.front().first.size()),
                     .flags = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
                     .size = size});
  batch.add(NFT_MSG_NEWSET, NLM_F_CREATE, origin,
            [&](nlmsghdr& header) { ::nftnl_set_nlmsg_build_payload(&header, described.get()); });
  add_elements(batch, origin, set, values, true);
  return set.id;
}

bool is_large(const SetObject& set) {
  return set.size() > kElementsPerPiece;
}

void add_empty_set(Batch& batch, const std::string& table, const SetObject& set) {
  const bool ports = set.type == config::GroupType::ports;
  const bool ipv4 = set.family == Family::ipv4;
  const SetHandle described = describe(
      {.table = table, .name = set.name, .id = batch.next_set_id(), .intervals = set.has_intervals()},
      {.type = ports  ? KeyType::internet_service
               : ipv4 ? KeyType::ipv4_address
                      : KeyType::ipv6_address,
       .key_bytes = ports  ? 2U
                    : ipv4 ? 4U
                           : 16U});
  batch.add(NFT_MSG_NEWSET, NLM_F_CREATE, origin_of(table, set),
            [&](nlmsghdr& header) { ::nftnl_set_nlmsg_build_payload(&header, described.get()); });
}

void delete_set(Batch& batch, const std::string& table, const SetObject& set) {
  const SetHandle handle(allocated(::nftnl_set_alloc()));
  ::nftnl_set_set_u32(handle.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_TABLE, table.c_str());
  ::nftnl_set_set_str(handle.get(), NFTNL_SET_NAME, set.name.c_str());
  batch.add(NFT_MSG_DELSET, 0, origin_of(table, set),
            [&](nlmsghdr& header) { ::nftnl_set_nlmsg_build_payload(&header, handle.get()); });
}

void change_elements(Batch& batch, const std::string& table, const ElementChange& change) {
  const Origin origin = origin_of(table, change.added);
  const SetRef set{.table = table, .name = change.set, .intervals = change.added.has_intervals()};
  const std::vector<Interval> removed = values_of(change.removed, 0, change.removed.size());
  if (change.all || !removed.empty()) delete_elements(batch, origin, set, removed, change.all);
  add_elements(batch, origin, set, values_of(change.added, 0, change.added.size()), change.all);
}

void add_elements(Batch& batch, const std::string& table, const SetObject& set, std::size_t from,
                  std::size_t count) {
  add_elements(batch, origin_of(table, set),
               {.table = table, .name = set.name, .intervals = set.has_intervals()},
               values_of(set, from, count), from == 0);
}

}  // namespace ftfw::firewall::linux_nft
