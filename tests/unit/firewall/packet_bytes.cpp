#include "tests/unit/firewall/packet_bytes.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace ftfw::firewall::test {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'f', 't', 'f', 'w'};
constexpr std::uint8_t kHops = 64;
constexpr std::uint8_t kVrrp = 112;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;

void put(ByteVector& bytes, std::uint64_t value, int count) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put(ByteVector& bytes, ByteSpan more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

std::uint16_t get16(ByteSpan bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t get32(ByteSpan bytes, std::size_t at) {
  return static_cast<std::uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

// RFC 1071.
std::uint16_t checksum(ByteSpan bytes) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2)
    sum += at + 1 < bytes.size() ? get16(bytes, at) : static_cast<std::uint32_t>(bytes[at]) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void set_checksum(ByteVector& transport, std::size_t at, const Packet& packet, bool pseudo_header,
                  bool wrong) {
  ByteVector summed;
  if (pseudo_header) {
    put(summed, packet.source.bytes());
    put(summed, packet.destination.bytes());
    put(summed, packet.protocol, packet.family() == Family::ipv4 ? 2 : 4);
    put(summed, transport.size(), packet.family() == Family::ipv4 ? 2 : 4);
  }
  put(summed, transport);
  std::uint16_t sum = checksum(summed);
  if (wrong) sum = static_cast<std::uint16_t>(sum ^ 0x5555);
  transport[at] = static_cast<std::uint8_t>(sum >> 8);
  transport[at + 1] = static_cast<std::uint8_t>(sum);
}

ByteVector transport_bytes(const Packet& packet, const Wire& wire) {
  ByteVector bytes;
  switch (packet.protocol) {
    case IPPROTO_TCP:
      put(bytes, packet.source_port, 2);
      put(bytes, packet.destination_port, 2);
      put(bytes, wire.number << 8, 4);  // a reset names it: sequence
      put(bytes, wire.number << 8, 4);  // or acknowledgement
      put(bytes, 0x5000U | packet.tcp_flags, 2);
      put(bytes, 8192, 2);
      put(bytes, 0, 4);
      break;
    case IPPROTO_UDP:
      put(bytes, packet.source_port, 2);
      put(bytes, packet.destination_port, 2);
      put(bytes, 8 + 8, 2);
      put(bytes, 0, 2);
      break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      put(bytes, packet.icmp_type, 1);
      put(bytes, packet.icmp_code, 1);
      put(bytes, 0, 2);
      put(bytes, wire.quoted != nullptr ? 0 : wire.icmp_id, 2);
      put(bytes, 0, 2);
      break;
    case IPPROTO_GRE:
      put(bytes, 0x0000'0800, 4);
      break;
    default:
      put(bytes, 0x2101'6400, 4);
      break;
  }
  if (wire.quoted != nullptr) {
    put(bytes, to_bytes(*wire.quoted, {.number = wire.number}));
  } else {
    put(bytes, kMagic);
    put(bytes, wire.number, 4);
  }
  if (packet.protocol == IPPROTO_TCP) set_checksum(bytes, 16, packet, true, wire.wrong_checksum);
  if (packet.protocol == IPPROTO_UDP) set_checksum(bytes, 6, packet, true, wire.wrong_checksum);
  if (packet.protocol == IPPROTO_ICMP) set_checksum(bytes, 2, packet, false, false);
  if (packet.protocol == IPPROTO_ICMPV6) set_checksum(bytes, 2, packet, true, false);
  return bytes;
}

bool is_error(const Packet& packet) {
  if (packet.protocol == IPPROTO_ICMP)
    return packet.icmp_type == 3 || packet.icmp_type == 5 || packet.icmp_type == 11;
  return packet.protocol == IPPROTO_ICMPV6 && (packet.icmp_type < 128 || packet.icmp_type == 137);
}

}  // namespace

ByteVector to_bytes(const Packet& packet, const Wire& wire) {
  const ByteVector transport = transport_bytes(packet, wire);
  ByteVector bytes;
  const std::uint8_t hops = packet.protocol == kVrrp ? std::uint8_t{255} : kHops;
  if (packet.family() == Family::ipv4) {
    put(bytes, 0x45, 1);
    put(bytes, static_cast<std::uint64_t>(wire.dscp) << 2, 1);
    put(bytes, kIpv4Header + transport.size(), 2);
    put(bytes, wire.number & 0xffff, 2);
    put(bytes, 0, 2);
    put(bytes, hops, 1);
    put(bytes, packet.protocol, 1);
    put(bytes, 0, 2);
    put(bytes, packet.source.bytes());
    put(bytes, packet.destination.bytes());
    const std::uint16_t sum = checksum(bytes);
    bytes[10] = static_cast<std::uint8_t>(sum >> 8);
    bytes[11] = static_cast<std::uint8_t>(sum);
  } else {
    put(bytes, 6U << 28 | static_cast<std::uint32_t>(wire.dscp) << 22, 4);
    put(bytes, transport.size(), 2);
    put(bytes, packet.protocol, 1);
    put(bytes, hops, 1);
    put(bytes, packet.source.bytes());
    put(bytes, packet.destination.bytes());
  }
  put(bytes, transport);
  return bytes;
}

std::optional<Arrival> read_arrival(ByteSpan transport, Packet packet) {
  if (transport.size() < 4) return std::nullopt;
  const bool tcp = packet.protocol == IPPROTO_TCP && transport.size() >= 20;
  if (tcp || packet.protocol == IPPROTO_UDP) {
    packet.source_port = get16(transport, 0);
    packet.destination_port = get16(transport, 2);
  } else {
    packet.icmp_type = transport[0];
    packet.icmp_code = transport[1];
  }
  if (tcp) packet.tcp_flags = transport[13];
  const auto magic = std::ranges::search(transport, kMagic);
  if (!magic.empty() && transport.end() - magic.begin() >= 8) {
    const auto at = static_cast<std::size_t>(magic.begin() - transport.begin()) + kMagic.size();
    return Arrival{get32(transport, at), is_error(packet), packet};
  }
  if (!tcp || (packet.tcp_flags & 0x04) == 0) return std::nullopt;
  const bool acknowledges = (packet.tcp_flags & 0x10) != 0;
  return Arrival{get32(transport, acknowledges ? 8 : 4) >> 8, true, packet};
}

std::optional<Arrival> read_arrival(ByteSpan bytes) {
  if (bytes.empty()) return std::nullopt;
  Packet packet;
  const bool ipv4 = bytes[0] >> 4 == 4;
  const std::size_t header = ipv4 ? kIpv4Header : kIpv6Header;
  if (bytes.size() < header) return std::nullopt;
  packet.protocol = bytes[ipv4 ? 9 : 6];
  packet.source = *IpAddress::from_bytes(ipv4 ? bytes.subspan(12, 4) : bytes.subspan(8, 16));
  packet.destination = *IpAddress::from_bytes(ipv4 ? bytes.subspan(16, 4) : bytes.subspan(24, 16));
  return read_arrival(bytes.subspan(header), packet);
}

}  // namespace ftfw::firewall::test
