// Reading the parts of an rtnetlink message, for the watches. Pure, any thread. Invariant: nothing is read
// beyond the length that the message's header says and the caller has verified (for_each_message()).
#pragma once

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "appliance/base/bytes.hpp"
#include "vrrp/linux/address_protocol.hpp"

namespace ftfw::vrrp {

// Netlink aligns headers and attributes to 4 bytes. (libmnl's macro does it in int.)
constexpr std::size_t netlink_aligned(std::size_t length) {
  return (length + 3) & ~std::size_t{3};
}

// The attributes of a message by type; those beyond the table are skipped.
template <std::size_t N>
std::array<const nlattr*, N> attributes_of(const nlmsghdr& message, std::size_t header_bytes) {
  std::array<const nlattr*, N> table{};
  const auto* payload = static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&message));
  const std::size_t length = mnl_nlmsg_get_payload_len(&message);
  std::size_t offset = netlink_aligned(header_bytes);
  while (offset < length) {
    const auto* attribute = reinterpret_cast<const nlattr*>(payload + offset);
    if (!mnl_attr_ok(attribute, static_cast<int>(length - offset))) break;
    const std::uint16_t type = mnl_attr_get_type(attribute);
    if (type < N) table.at(type) = attribute;
    offset += netlink_aligned(attribute->nla_len);
  }
  return table;
}

template <typename T>
const T* header_of(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(T)) return nullptr;
  return static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

inline ByteSpan payload_of(const nlattr* attribute) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute)};
}

inline std::string_view text_of(const nlattr* attribute) {
  const ByteSpan bytes = payload_of(attribute);
  const auto end = std::ranges::find(bytes, std::uint8_t{0});
  return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(end - bytes.begin())};
}

// Of an address message: whether it is one of our virtual addresses.
inline bool is_own_address(const nlattr* protocol) {
  return protocol != nullptr && mnl_attr_get_payload_len(protocol) >= 1 &&
         mnl_attr_get_u8(protocol) == kAddressProtocol;
}

}  // namespace ftfw::vrrp
