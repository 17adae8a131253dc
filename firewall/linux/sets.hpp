// Sets as messages: the anonymous ones, which are what a rule compares with more than one value and stand in
// the batch right before it, and the named ones of the table. Byte order: values as they lie in the packet;
// interface names as the kernel keeps them. An interval set has, in order, the first value of each interval
// and, marked as an end, the one behind its last (src/segtree.c of nftables).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firewall/change.hpp"
#include "firewall/linux/batch.hpp"

namespace ftfw::firewall::linux_nft {

// nft's number of the data type of a key (include/datatype.h of nftables); without it `nft list` cannot
// print.
enum class KeyType : std::uint32_t {
  ipv4_address = 7,
  ipv6_address = 8,
  internet_service = 13,
  icmp_type = 14,
  icmpv6_type = 29,
  interface_name = 41
};

// Both ends included, in network order, of the same length.
struct Interval {
  ByteVector first;
  ByteVector last;

  bool is_single() const { return first == last; }
};

ByteVector key_of(const IpAddress& address);
ByteVector key_of(std::uint16_t port);

inline constexpr const char* kAnonymousSetName = "__set%d";

// At least one value, sorted, without overlaps. The id by which the rule names the set inside the batch.
std::uint32_t add_anonymous_set(Batch& batch, const Origin& origin, KeyType type,
                                const std::vector<Interval>& values);

// Elements of one transaction where a set is loaded in pieces: some milliseconds of an interval set.
inline constexpr std::size_t kElementsPerPiece = 5'000;

// More than one piece.
bool is_large(const SetObject& set);

// The named set without its elements.
void add_empty_set(Batch& batch, const std::string& table, const SetObject& set);
void delete_set(Batch& batch, const std::string& table, const SetObject& set);
// Elements of a set that is there go and come.
void change_elements(Batch& batch, const std::string& table, const ElementChange& change);
// A part of the elements of a set that is there: `count` of them from `from` on, or as many as there are.
void add_elements(Batch& batch, const std::string& table, const SetObject& set, std::size_t from,
                  std::size_t count);

}  // namespace ftfw::firewall::linux_nft
