#include "sync/tuple.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <utility>

#include "sync/hash.hpp"

namespace ftfw::sync {
namespace {

// net/netfilter/nf_conntrack_proto_icmp.c and _icmpv6.c: the types that ask, and what answers them.
constexpr std::array<std::pair<std::uint8_t, std::uint8_t>, 4> kIcmpPairs{
    {{8, 0}, {13, 14}, {15, 16}, {17, 18}}};
constexpr std::array<std::pair<std::uint8_t, std::uint8_t>, 2> kIcmpv6Pairs{{{128, 129}, {139, 140}}};

template <std::size_t N>
std::uint8_t inverse_type(const std::array<std::pair<std::uint8_t, std::uint8_t>, N>& pairs,
                          std::uint8_t type) {
  for (const auto& [request, reply] : pairs) {
    if (type == request) return reply;
    if (type == reply) return request;
  }
  return type;
}

std::string protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_UDPLITE:
      return "udplite";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_DCCP:
      return "dccp";
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_ICMPV6:
      return "icmpv6";
    case IPPROTO_GRE:
      return "gre";
    default:
      return fmt::format("{}", protocol);
  }
}

std::string end_point(const IpAddress& address, std::uint16_t port) {
  return address.is_ipv4() ? fmt::format("{}:{}", address.to_string(), port)
                           : fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace

Tuple Tuple::inverse() const {
  Tuple other{.source = destination,
              .destination = source,
              .protocol = protocol,
              .source_port = destination_port,
              .destination_port = source_port};
  if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6) return other;
  other.source_port = source_port;
  const auto type = static_cast<std::uint8_t>(destination_port >> 8);
  const std::uint8_t answer =
      protocol == IPPROTO_ICMP ? inverse_type(kIcmpPairs, type) : inverse_type(kIcmpv6Pairs, type);
  other.destination_port = static_cast<std::uint16_t>(answer << 8 | (destination_port & 0xff));
  return other;
}

std::string Tuple::to_string() const {
  const std::string name = protocol_name(protocol);
  switch (protocol) {
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return fmt::format("{} {} > {} type {} code {} id {}", name, source.to_string(),
                         destination.to_string(), destination_port >> 8, destination_port & 0xff,
                         source_port);
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
      return fmt::format("{} {} > {}", name, end_point(source, source_port),
                         end_point(destination, destination_port));
    case IPPROTO_GRE:
      return fmt::format("{} {} > {} keys {:#x} {:#x}", name, source.to_string(), destination.to_string(),
                         source_port, destination_port);
    default:
      return fmt::format("{} {} > {}", name, source.to_string(), destination.to_string());
  }
}

std::uint64_t hash_of(const EntryKey& key) {
  HashInput input;
  input.add(key.original);
  input.add(key.zone);
  return input.finish();
}

}  // namespace ftfw::sync
