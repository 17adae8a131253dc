#include "sync/linux/tuple_codec.hpp"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace ftfw::sync {

namespace {

// CTA_PROTO_ICMP_ID, TYPE and CODE follow one another, and so do those of ICMPv6.
struct IcmpNumbers {
  std::uint16_t identifier, type, code;
};
constexpr IcmpNumbers kIcmp{CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE};
constexpr IcmpNumbers kIcmpV6{CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE};

const IcmpNumbers& icmp_numbers(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP ? kIcmp : kIcmpV6;
}

bool parse_addresses(ByteSpan nest, Tuple& tuple) {
  AttributeTable<CTA_IP_MAX> ip;
  if (!ip.parse(nest)) return false;
  const bool is_ipv4 = ip.has(CTA_IP_V4_SRC);
  const ByteSpan source = ip.bytes(is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);
  const ByteSpan destination = ip.bytes(is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  const std::size_t expected = is_ipv4 ? 4 : 16;
  if (source.size() != expected || destination.size() != expected) return false;
  tuple.source = *IpAddress::from_bytes(source);
  tuple.destination = *IpAddress::from_bytes(destination);
  return true;
}

bool parse_protocol(ByteSpan nest, Tuple& tuple) {
  AttributeTable<CTA_PROTO_MAX> proto;
  if (!proto.parse(nest)) return false;
  const auto number = proto.u8(CTA_PROTO_NUM);
  if (!number) return false;
  tuple.protocol = *number;
  if (has_ports(*number)) {
    const auto source = proto.u16(CTA_PROTO_SRC_PORT);
    const auto destination = proto.u16(CTA_PROTO_DST_PORT);
    const bool always = *number == IPPROTO_TCP || *number == IPPROTO_UDP;
    if (source.has_value() != destination.has_value() || (always && !source)) return false;
    tuple.source_port = source.value_or(0);
    tuple.destination_port = destination.value_or(0);
  } else if (has_identifier(*number)) {
    const IcmpNumbers& icmp = icmp_numbers(*number);
    const auto identifier = proto.u16(icmp.identifier);
    const auto type = proto.u8(icmp.type);
    const auto code = proto.u8(icmp.code);
    if (!identifier || !type || !code) return false;
    tuple.source_port = *identifier;
    tuple.destination_port = static_cast<std::uint16_t>(*type << 8 | *code);
  }
  return true;
}

}  // namespace

std::optional<Tuple> parse_tuple(ByteSpan nest) {
  AttributeTable<CTA_TUPLE_MAX> parts;
  Tuple tuple;
  if (!parts.parse(nest)) return std::nullopt;
  if (!parse_addresses(parts.bytes(CTA_TUPLE_IP), tuple)) return std::nullopt;
  if (!parse_protocol(parts.bytes(CTA_TUPLE_PROTO), tuple)) return std::nullopt;
  return tuple;
}

std::optional<std::uint16_t> parse_tuple_zone(ByteSpan nest) {
  AttributeTable<CTA_TUPLE_MAX> parts;
  if (!parts.parse(nest)) return std::nullopt;
  return parts.u16(CTA_TUPLE_ZONE);
}

void append_tuple(MessageBuilder& message, std::uint16_t type, const Tuple& tuple,
                  std::optional<std::uint16_t> zone) {
  message.nest(type, [&] {
    message.nest(CTA_TUPLE_IP, [&] {
      const bool is_ipv4 = tuple.source.is_ipv4();
      message.bytes(is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source.bytes());
      message.bytes(is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination.bytes());
    });
    message.nest(CTA_TUPLE_PROTO, [&] {
      message.u8(CTA_PROTO_NUM, tuple.protocol);
      if (has_ports(tuple.protocol)) {
        message.u16(CTA_PROTO_SRC_PORT, tuple.source_port);
        message.u16(CTA_PROTO_DST_PORT, tuple.destination_port);
      } else if (has_identifier(tuple.protocol)) {
        const IcmpNumbers& icmp = icmp_numbers(tuple.protocol);
        message.u16(icmp.identifier, tuple.source_port);
        message.u8(icmp.type, static_cast<std::uint8_t>(tuple.destination_port >> 8));
        message.u8(icmp.code, static_cast<std::uint8_t>(tuple.destination_port));
      }
    });
    if (zone) message.u16(CTA_TUPLE_ZONE, *zone);
  });
}

std::uint8_t netlink_family(const Tuple& tuple) {
  return tuple.source.is_ipv4() ? AF_INET : AF_INET6;
}

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
         protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP || protocol == IPPROTO_GRE;
}

bool has_identifier(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

}  // namespace ftfw::sync
