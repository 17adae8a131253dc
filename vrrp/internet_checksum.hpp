// The checksum of the Internet protocols (RFC 1071) and its pseudo-headers (RFC 9293 3.1, RFC 8200 8.1).
// Pure, any thread.
#pragma once

#include <cstdint>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"

namespace ftfw::vrrp {

// Sum of 16-bit words, not folded, so that parts can be added; a last odd byte counts as the high one.
std::uint32_t sum_of_words(ByteSpan bytes, std::uint32_t sum);

// IPv4 and IPv6 sum alike: the length and the protocol are small numbers, and where the zeros stand between
// them does not change a sum.
std::uint32_t sum_of_pseudo_header(const IpAddress& source, const IpAddress& destination,
                                   std::uint8_t protocol, std::size_t length);

// What goes into the checksum's place, which must hold 0 meanwhile. `start`: the sum of what comes before.
std::uint16_t internet_checksum(ByteSpan bytes, std::uint32_t start);

// Of bytes that include their checksum.
bool has_right_checksum(ByteSpan bytes, std::uint32_t start);

}  // namespace ftfw::vrrp
