#include "vrrp/linux/ip_packet.hpp"

#include <cassert>

#include "vrrp/advertisement.hpp"
#include "vrrp/internet_checksum.hpp"

//  Ethernet II   | destination 6 | source 6 | type 2 |
//  IPv4 (RFC 791)
//  | version and header length | class | total length 2 | identification 2 | flags and offset 2 |
//  | TTL | protocol | header checksum 2 | source 4 | destination 4 |
//  IPv6 (RFC 8200)
//  | version, class, flow label 4 | payload length 2 | next header | hop limit | source 16 | destination 16 |

namespace ftfw::vrrp {
namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint8_t kVersion4NoOptions = 0x45;
constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kIpv4ChecksumOffset = 10;

MacAddress group_mac(const IpAddress& group) {
  const ByteSpan bytes = group.bytes();
  if (group.is_ipv4()) {
    return {{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(bytes[1] & 0x7f), bytes[2], bytes[3]}};
  }
  return {{0x33, 0x33, bytes[12], bytes[13], bytes[14], bytes[15]}};
}

void write_ipv4_header(ByteWriter& writer, ByteVector& out, const IpAddress& source,
                       const IpAddress& destination, std::uint16_t identification, std::size_t payload) {
  const std::size_t start = writer.size();
  writer.u8(kVersion4NoOptions);
  writer.u8(kTrafficClass);
  writer.u16(static_cast<std::uint16_t>(kIpv4HeaderBytes + payload));
  writer.u16(identification);
  writer.u16(0);  // may be fragmented, is not
  writer.u8(kTtl);
  writer.u8(kProtocolVrrp);
  writer.u16(0);
  writer.bytes(source.bytes());
  writer.bytes(destination.bytes());
  const ByteSpan header = ByteSpan(out).subspan(start, kIpv4HeaderBytes);
  writer.patch_u16(start + kIpv4ChecksumOffset, internet_checksum(header, 0));
}

void write_ipv6_header(ByteWriter& writer, const IpAddress& source, const IpAddress& destination,
                       std::size_t payload) {
  writer.u32(std::uint32_t{6} << 28 | std::uint32_t{kTrafficClass} << 20);
  writer.u16(static_cast<std::uint16_t>(payload));
  writer.u8(kProtocolVrrp);
  writer.u8(kTtl);
  writer.bytes(source.bytes());
  writer.bytes(destination.bytes());
}

}  // namespace

ByteVector multicast_frame(const MacAddress& source_mac, const IpAddress& source,
                           const IpAddress& destination, std::uint16_t identification, ByteSpan packet) {
  assert(source.family() == destination.family() && destination.is_multicast());
  ByteVector frame;
  ByteWriter writer(frame);
  writer.bytes(group_mac(destination).bytes);
  writer.bytes(source_mac.bytes);
  if (source.is_ipv4()) {
    writer.u16(kEtherTypeIpv4);
    write_ipv4_header(writer, frame, source, destination, identification, packet.size());
  } else {
    writer.u16(kEtherTypeIpv6);
    write_ipv6_header(writer, source, destination, packet.size());
  }
  writer.bytes(packet);
  return frame;
}

std::optional<ReceivedPacket> parse_ipv4(ByteSpan bytes) {
  ByteReader reader(bytes);
  const std::uint8_t version_and_length = reader.u8();
  reader.u8();
  const std::size_t total = reader.u16();
  reader.u32();
  ReceivedPacket packet;
  packet.ttl = reader.u8();
  reader.take(3);
  const auto source = IpAddress::from_bytes(reader.take(4));
  const auto destination = IpAddress::from_bytes(reader.take(4));
  const std::size_t header = static_cast<std::size_t>(version_and_length & 0x0f) * 4;
  if (!reader.ok() || version_and_length >> 4 != 4 || header < kIpv4HeaderBytes || header > bytes.size())
    return std::nullopt;
  if (total != bytes.size() || !source || !destination) return std::nullopt;
  packet.source = *source;
  packet.destination = *destination;
  packet.payload = bytes.subspan(header);
  return packet;
}

}  // namespace ftfw::vrrp
