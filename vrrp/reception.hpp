// The checks of RFC 9568 7.1 and RFC 3768 7.1 on a received packet, before anything is decided from it. Pure
// but for the leg's counters, which it writes: every packet ends in `accepted` or in exactly one reject
// reason.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "vrrp/counters.hpp"
#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

// RFC 9568 5.1.1.3: a packet from the same link, and only such a one, still has it.
inline constexpr std::uint8_t kTtl = 255;

struct ReceivedPacket {
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 0;
  ByteSpan payload;  // what follows the IP header, exactly
};

// How an address list differs from ours. Order does not count.
enum class AddressMatch : std::uint8_t {
  same,
  differs,   // a rolling change, or drift: accepted (RFC 9568 7.1) and shown
  disjoint,  // nothing in common: rather another cluster that uses our id
};

struct Accepted {
  Advertisement advertisement;
  AddressMatch addresses = AddressMatch::same;
};

// Why a packet was dropped. `error` is set with RejectReason::malformed only, and says how.
struct Rejected {
  RejectReason reason = RejectReason::malformed;
  std::optional<DecodeError> error = {};

  bool operator==(const Rejected&) const = default;
};
// "malformed: wrong checksum"
std::string to_string(const Rejected& rejected);

// own_address: the leg's primary address, if it has one.
std::expected<Accepted, Rejected> receive(const Settings& settings, const RouterSettings& router,
                                          const std::optional<IpAddress>& own_address,
                                          const ReceivedPacket& packet, RouterCounters& counters);

}  // namespace ftfw::vrrp
