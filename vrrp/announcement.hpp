// What tells the neighbours on a leg that a virtual address has moved: gratuitous ARP and unsolicited
// neighbour advertisements as whole Ethernet frames, and when to send which, as data. Pure, any thread.
// Sources: RFC 9568 6.4.2 and 8 (on becoming Active), RFC 5227 3 (ARP request form), RFC 5944 4.6 (reply
// form), RFC 4861 4.4 and 7.2.6 (neighbour advertisement). `mac` is the interface's own, or that of the
// virtual router where it has one.
#pragma once

#include <span>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"
#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

// A broadcast ARP request in which sender and target are the address. Precondition: an IPv4 address.
ByteVector gratuitous_arp_request(const MacAddress& mac, const IpAddress& address);

// A broadcast ARP reply in which sender and target, MAC included, are the address. Precondition: an IPv4
// address.
ByteVector gratuitous_arp_reply(const MacAddress& mac, const IpAddress& address);

// From the address to all nodes, overriding what they know. is_router: this machine forwards. Precondition:
// an IPv6 address.
ByteVector unsolicited_neighbour_advertisement(const MacAddress& mac, const IpAddress& address,
                                               bool is_router);

// The frames of one announcement of an address, of either family. IPv6 says "router": who holds a virtual
// address is one (RFC 9568 6.4.2).
std::vector<ByteVector> announcement_frames(const MacAddress& mac, const IpAddress& address, ArpForm form);

struct ScheduledAnnouncement {
  Duration after{};        // from the moment the addresses stand
  std::size_t router = 0;  // index into the routers
  IpAddress address;

  bool operator==(const ScheduledAnnouncement&) const = default;
};

// In the order of sending: the first of every address on every leg, excluded addresses included, before the
// second of any.
std::vector<ScheduledAnnouncement> announcement_schedule(std::span<const RouterSettings> routers,
                                                         const AnnouncementPolicy& policy = {});

}  // namespace ftfw::vrrp
