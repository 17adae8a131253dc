// What tells the neighbours on a leg that a virtual address has moved: gratuitous ARP requests, and when to
// send which, as data. Pure, any thread. Sources: RFC 9568 6.4.2 (GARP on becoming Active), RFC 5227 3
// (request form).
#pragma once

#include <span>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"
#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

// The whole Ethernet frame: a broadcast ARP request in which sender and target are the address.
// Precondition: an IPv4 address.
ByteVector gratuitous_arp_request(const MacAddress& mac, const IpAddress& address);

struct ScheduledAnnouncement {
  Duration after{};        // from the moment the addresses stand
  std::size_t router = 0;  // index into the routers
  IpAddress address;

  bool operator==(const ScheduledAnnouncement&) const = default;
};

// In the order of sending: the first of every address on every leg before the second of any.
std::vector<ScheduledAnnouncement> announcement_schedule(std::span<const RouterSettings> routers,
                                                         const AnnouncementPolicy& policy = {});

}  // namespace ftfw::vrrp
