// The advertisement as a value and its wire form: VRRP version 2 (RFC 3768 5.3, IPv4) and version 3 (RFC 9568
// 5.2, IPv4 and IPv6). The PDU only, without the IP header; the IP addresses of the packet are given because
// version 3 sums them. Pure, any thread. Invariant: decode() reads nothing beyond the bytes it was given and
// believes no length but theirs.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"

namespace ftfw::vrrp {

inline constexpr std::uint8_t kPriorityRelease = 0;  // "I stop being Active"
inline constexpr std::uint8_t kPriorityOwner = 255;

// RFC 9568 5.1.1.2 and 5.1.2.2: 224.0.0.18, ff02::12.
IpAddress multicast_group(Family family);

using Pass = std::array<std::uint8_t, 8>;

struct Advertisement {
  std::uint8_t version = 3;  // 2 or 3
  std::uint8_t id = 0;       // VRID
  std::uint8_t priority = 0;
  Duration interval = 1s;            // whole seconds in version 2, whole centiseconds (1..4095) in version 3
  std::vector<IpAddress> addresses;  // at most 255, all of the packet's family
  std::optional<Pass> pass;          // version 2: authentication type 1; none: type 0

  bool operator==(const Advertisement&) const = default;
};

// How a version 3 IPv4 sender sums its packet: RFC 9568 5.2.8 takes the message alone, RFC 5798 was read as
// including a pseudo-header (keepalived and FRR do), in which some keep the group as the destination of a
// unicast packet (keepalived up to 1.3.6). All are accepted: a 16-bit sum protects nobody, and refusing one
// only makes two primaries. IPv6 sums its pseudo-header, always (RFC 8200 8.1).
enum class ChecksumForm : std::uint8_t { message_only, pseudo_header, pseudo_header_of_group };

struct Decoded {
  Advertisement advertisement;
  ChecksumForm checksum = ChecksumForm::message_only;
};

// Why bytes are no advertisement. One value per class, so that each has its own counter.
enum class DecodeError : std::uint8_t {
  too_short,        // not even the fixed header
  unknown_version,  // neither 2 nor 3, or 2 over IPv6
  wrong_type,       // not an ADVERTISEMENT
  zero_id,
  zero_count,     // RFC 9568 5.2.5
  truncated,      // shorter than its count says
  excess_bytes,   // longer than its count says
  zero_interval,  // RFC 9568 5.2.7
  bad_checksum,
  unknown_authentication,  // version 2: neither "none" nor "simple text password"
};
inline constexpr std::size_t kDecodeErrorCount = 10;
std::string_view to_string(DecodeError error);

// The PDU. The form counts for version 3 over IPv4 only: version 2 sums the message, IPv6 the pseudo-header.
// Precondition: no more than 255 addresses.
ByteVector encode(const Advertisement& advertisement, const IpAddress& source, const IpAddress& destination,
                  ChecksumForm form = ChecksumForm::pseudo_header);

// Any version; the source's family is the family of the addresses.
std::expected<Decoded, DecodeError> decode(ByteSpan pdu, const IpAddress& source,
                                           const IpAddress& destination);

}  // namespace ftfw::vrrp
