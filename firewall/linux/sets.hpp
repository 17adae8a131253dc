// Anonymous sets: what a rule compares with more than one value. The set and its elements are messages of the
// same batch, before the rule that looks into it. Byte order: values as they lie in the
// packet; interface names as the kernel keeps them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "firewall/linux/batch.hpp"

namespace ftfw::firewall::linux_nft {

// nft's number of the data type of a key (include/datatype.h of nftables); without it `nft list` cannot
// print.
enum class KeyType : std::uint32_t {
  ipv4_address = 7,
  ipv6_address = 8,
  internet_service = 13,
  icmp_type = 14,
  interface_name = 41
};

struct AnonymousSet {
  KeyType key_type = KeyType::internet_service;
  std::vector<ByteVector> elements;  // each of the same length
};

inline constexpr const char* kAnonymousSetName = "__set%d";

// The id by which the rule names the set inside the batch.
std::uint32_t add_set(Batch& batch, const Origin& origin, const AnonymousSet& set);

}  // namespace ftfw::firewall::linux_nft
