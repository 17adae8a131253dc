// The kernel's tuple (include/net/netfilter/nf_conntrack_tuple.h) as a value: one direction of a flow.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "appliance/base/address.hpp"

namespace ftfw::sync {

struct Tuple {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;  // IPPROTO_*

  // What the two port fields mean, by protocol:
  //   TCP, UDP, SCTP, DCCP, UDP-Lite: source and destination port
  //   GRE: the call keys
  //   ICMP, ICMPv6: source_port holds the identifier, destination_port is type << 8 | code
  //   others: both 0
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;

  // The reply direction as the kernel would make it without NAT (ICMP types are turned into their reply
  // type).
  Tuple inverse() const;
  // "tcp 192.168.2.3:40000 > 192.168.0.3:80"
  std::string to_string() const;
  auto operator<=>(const Tuple&) const = default;
};

// What names an entry in a kernel's table: its original tuple and the zone.
struct EntryKey {
  Tuple original;
  std::uint16_t zone = 0;
  auto operator<=>(const EntryKey&) const = default;
};

// 64 bits, well mixed, same on every machine and in every process.
std::uint64_t hash_of(const EntryKey& key);

}  // namespace ftfw::sync

template <>
struct std::hash<ftfw::sync::EntryKey> {
  std::size_t operator()(const ftfw::sync::EntryKey& key) const noexcept { return ftfw::sync::hash_of(key); }
};
