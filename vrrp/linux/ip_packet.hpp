// IP headers of advertisements, where this program writes or reads them itself: a frame with the virtual MAC
// as its source, and what a raw IPv4 socket returns. Pure, any thread. Invariant: parse_ipv4() believes no
// length but that of the bytes it was given. Sources: RFC 791, RFC 8200, RFC 1112 6.4 and RFC 2464 7 (MAC of
// a group), RFC 9568 5.1 (TTL 255).
#pragma once

#include <optional>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"
#include "vrrp/reception.hpp"

namespace ftfw::vrrp {

// Traffic class of an advertisement: internetwork control, as other routing protocols (RFC 2474 4.2.2.2).
inline constexpr std::uint8_t kTrafficClass = 0xc0;
// Before all other traffic in the queue of the interface (TC_PRIO_CONTROL), from whatever socket it leaves.
inline constexpr int kQueuePriority = 7;

// The whole Ethernet frame. Preconditions: source and destination of one family, the destination a multicast
// group. identification: IPv4 only.
ByteVector multicast_frame(const MacAddress& source_mac, const IpAddress& source,
                           const IpAddress& destination, std::uint16_t identification, ByteSpan packet);

// A received IPv4 packet from its header on. Nothing unless the header describes exactly these bytes.
std::optional<ReceivedPacket> parse_ipv4(ByteSpan bytes);

}  // namespace ftfw::vrrp
