#include "vrrp/announcement.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "vrrp/internet_checksum.hpp"

namespace ftfw::vrrp {
namespace {

constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}};  // RFC 2464 7
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint16_t kHardwareEthernet = 1;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::uint16_t kArpReply = 2;

constexpr std::uint8_t kProtocolIcmpv6 = 58;
constexpr std::uint8_t kHopLimit = 255;
constexpr std::uint8_t kTypeNeighbourAdvertisement = 136;
constexpr std::uint32_t kFlagRouter = 0x80000000;
constexpr std::uint32_t kFlagOverride = 0x20000000;
constexpr std::uint8_t kOptionTargetLinkLayer = 2;
constexpr std::uint8_t kOptionUnits = 1;  // of 8 bytes
constexpr std::uint16_t kNeighbourAdvertisementBytes = 32;
constexpr std::size_t kIpv6HeaderEnd = 14 + 40;
constexpr std::size_t kIcmpChecksumOffset = kIpv6HeaderEnd + 2;

IpAddress all_nodes() {
  return IpAddress::ipv6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01});
}

//  Ethernet II                           ARP (RFC 826)
//  | destination 6 | source 6 | type 2 | hw type 2 | proto 2 | hw len 1 | proto len 1 | operation 2 |
//                                      | sender MAC 6 | sender IP 4 | target MAC 6 | target IP 4 |
ByteVector arp_frame(std::uint16_t operation, const MacAddress& mac, const MacAddress& target_mac,
                     const IpAddress& address) {
  assert(address.is_ipv4());
  ByteVector frame;
  ByteWriter writer(frame);
  writer.bytes(kBroadcast.bytes);
  writer.bytes(mac.bytes);
  writer.u16(kEtherTypeArp);
  writer.u16(kHardwareEthernet);
  writer.u16(kEtherTypeIpv4);
  writer.u8(6);
  writer.u8(4);
  writer.u16(operation);
  writer.bytes(mac.bytes);
  writer.bytes(address.bytes());
  writer.bytes(target_mac.bytes);
  writer.bytes(address.bytes());
  return frame;
}

}  // namespace

// RFC 5227 leaves the target MAC of a request open; keepalived's neighbours have seen ones for years.
ByteVector gratuitous_arp_request(const MacAddress& mac, const IpAddress& address) {
  return arp_frame(kArpRequest, mac, kBroadcast, address);
}

ByteVector gratuitous_arp_reply(const MacAddress& mac, const IpAddress& address) {
  return arp_frame(kArpReply, mac, mac, address);
}

//  Ethernet II                           IPv6 (RFC 8200)
//  | destination 6 | source 6 | type 2 | version, class, flow 4 | length 2 | next 1 | hop limit 1 |
//                                      | source 16 | destination 16 |
//  ICMPv6 (RFC 4861 4.4)                 option (RFC 4861 4.6.1)
//  | type 1 | code 1 | checksum 2 | R S O and reserved 4 | target 16 | type 1 | length 1 | MAC 6 |
ByteVector unsolicited_neighbour_advertisement(const MacAddress& mac, const IpAddress& address,
                                               bool is_router) {
  assert(!address.is_ipv4());
  ByteVector frame;
  ByteWriter writer(frame);
  writer.bytes(kAllNodesMac.bytes);
  writer.bytes(mac.bytes);
  writer.u16(kEtherTypeIpv6);
  writer.u32(std::uint32_t{6} << 28);
  writer.u16(kNeighbourAdvertisementBytes);
  writer.u8(kProtocolIcmpv6);
  writer.u8(kHopLimit);
  writer.bytes(address.bytes());
  writer.bytes(all_nodes().bytes());
  writer.u8(kTypeNeighbourAdvertisement);
  writer.u8(0);
  writer.u16(0);
  writer.u32((is_router ? kFlagRouter : 0) | kFlagOverride);
  writer.bytes(address.bytes());
  writer.u8(kOptionTargetLinkLayer);
  writer.u8(kOptionUnits);
  writer.bytes(mac.bytes);
  const ByteSpan message = ByteSpan(frame).subspan(kIpv6HeaderEnd);
  writer.patch_u16(kIcmpChecksumOffset,
                   internet_checksum(
                       message, sum_of_pseudo_header(address, all_nodes(), kProtocolIcmpv6, message.size())));
  return frame;
}

std::vector<ByteVector> announcement_frames(const MacAddress& mac, const IpAddress& address, ArpForm form) {
  if (!address.is_ipv4()) return {unsolicited_neighbour_advertisement(mac, address, true)};
  switch (form) {
    case ArpForm::request:
      return {gratuitous_arp_request(mac, address)};
    case ArpForm::reply:
      return {gratuitous_arp_reply(mac, address)};
    case ArpForm::both:
      return {gratuitous_arp_request(mac, address), gratuitous_arp_reply(mac, address)};
  }
  return {};
}

std::vector<ScheduledAnnouncement> announcement_schedule(std::span<const RouterSettings> routers,
                                                         const AnnouncementPolicy& policy) {
  std::vector<Duration> rounds;
  for (int round = 0; round < policy.repeats; ++round) {
    rounds.push_back(round * policy.spacing);
    if (policy.second_burst > Duration::zero())
      rounds.push_back(policy.second_burst + round * policy.spacing);
  }
  // A wide spacing lets the first burst run into the second.
  std::ranges::sort(rounds);
  std::vector<ScheduledAnnouncement> schedule;
  for (const Duration after : rounds) {
    for (std::size_t router = 0; router < routers.size(); ++router) {
      for (const auto* addresses : {&routers[router].addresses, &routers[router].excluded}) {
        for (const IpAddress& address : *addresses) schedule.push_back({after, router, address});
      }
    }
  }
  return schedule;
}

}  // namespace ftfw::vrrp
