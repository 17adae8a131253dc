// Packets as bytes: from the values that the evaluation takes to what stands on the wire, and back from what
// arrived. Each carries the number it was sent with, so that it is known again whatever NAT made of it.
#pragma once

#include <cstdint>
#include <optional>

#include "appliance/base/bytes.hpp"
#include "firewall/packet.hpp"

namespace ftfw::firewall::test {

struct Wire {
  std::uint32_t number = 0;  // below 2^23
  std::uint8_t dscp = 0;     // what the test's own table reads
  std::uint16_t icmp_id = 0;
  bool wrong_checksum = false;     // of TCP and UDP
  const Packet* quoted = nullptr;  // in an ICMP error
};

// From the IP header on.
ByteVector to_bytes(const Packet& packet, const Wire& wire);

struct Arrival {
  std::uint32_t number = 0;
  // An ICMP error about the packet, or a TCP reset in answer to it.
  bool refusal = false;
  Packet packet;  // addresses, protocol, ports and type
};

// bytes: from the IP header on. Nothing: not one of ours.
std::optional<Arrival> read_arrival(ByteSpan bytes);
// From the transport header on; destination and family must be known (raw sockets of IPv6).
std::optional<Arrival> read_arrival(ByteSpan transport, Packet packet);

}  // namespace ftfw::firewall::test
