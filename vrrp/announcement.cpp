#include "vrrp/announcement.hpp"

#include <array>
#include <cassert>

namespace ftfw::vrrp {
namespace {

constexpr std::array<std::uint8_t, 6> kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kHardwareEthernet = 1;
constexpr std::uint16_t kRequest = 1;

}  // namespace

//  Ethernet II                           ARP (RFC 826)
//  | destination 6 | source 6 | type 2 | hw type 2 | proto 2 | hw len 1 | proto len 1 | operation 2 |
//                                      | sender MAC 6 | sender IP 4 | target MAC 6 | target IP 4 |
ByteVector gratuitous_arp_request(const MacAddress& mac, const IpAddress& address) {
  assert(address.is_ipv4());
  ByteVector frame;
  ByteWriter writer(frame);
  writer.bytes(kBroadcast);
  writer.bytes(mac.bytes);
  writer.u16(kEtherTypeArp);
  writer.u16(kHardwareEthernet);
  writer.u16(kEtherTypeIpv4);
  writer.u8(6);
  writer.u8(4);
  writer.u16(kRequest);
  writer.bytes(mac.bytes);
  writer.bytes(address.bytes());
  // RFC 5227 leaves the target MAC of a request open; keepalived's neighbours have seen ones for years.
  writer.bytes(kBroadcast);
  writer.bytes(address.bytes());
  return frame;
}

std::vector<ScheduledAnnouncement> announcement_schedule(std::span<const RouterSettings> routers,
                                                         const AnnouncementPolicy& policy) {
  std::vector<ScheduledAnnouncement> schedule;
  for (const Duration burst : {Duration::zero(), policy.second_burst}) {
    for (int round = 0; round < policy.repeats; ++round) {
      for (std::size_t router = 0; router < routers.size(); ++router) {
        for (const IpAddress& address : routers[router].addresses) {
          schedule.push_back({burst + round * policy.spacing, router, address});
        }
      }
    }
  }
  return schedule;
}

}  // namespace ftfw::vrrp
