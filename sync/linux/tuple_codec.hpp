// The kernel's tuple as netlink attributes (CTA_TUPLE_*, CTA_IP_*, CTA_PROTO_*): shared by conntracks and
// expectations. Source: net/netfilter/nf_conntrack_netlink.c ctnetlink_parse_tuple, ctnetlink_dump_tuples.
#pragma once

#include <optional>

#include "sync/linux/attributes.hpp"
#include "sync/tuple.hpp"

namespace ftfw::sync {

// Nothing when an address or the protocol number is missing or of a wrong size, or one of the fields that the
// protocol has. A protocol that the kernel was built without (SCTP, DCCP, UDP-Lite, GRE) has no ports: both
// 0.
std::optional<Tuple> parse_tuple(ByteSpan nest);
// The zone that the tuple has for its direction alone.
std::optional<std::uint16_t> parse_tuple_zone(ByteSpan nest);

void append_tuple(MessageBuilder& message, std::uint16_t type, const Tuple& tuple,
                  std::optional<std::uint16_t> zone = std::nullopt);

// AF_INET or AF_INET6.
std::uint8_t netlink_family(const Tuple& tuple);

// TCP, UDP, UDP-Lite, SCTP, DCCP, GRE: two 16-bit fields in CTA_PROTO_SRC_PORT and CTA_PROTO_DST_PORT.
bool has_ports(std::uint8_t protocol);
// ICMP, ICMPv6: identifier, type, code.
bool has_identifier(std::uint8_t protocol);

}  // namespace ftfw::sync
