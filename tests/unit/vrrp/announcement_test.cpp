// The frames that tell the neighbours, byte by byte, and when they are sent.
#include "vrrp/announcement.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

using Frames = std::vector<ByteVector>;

const MacAddress kMac{{0x12, 0x34, 0x56, 0x78, 0x9a, 0x11}};

}  // namespace

TEST_CASE("a gratuitous ARP request is the frame of RFC 826 with sender and target the same address") {
  const ByteVector frame = gratuitous_arp_request(kMac, ip("192.168.2.100"));
  CHECK(frame == ByteVector{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x12, 0x34, 0x56, 0x78, 0x9a,
                            0x11, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
                            0x12, 0x34, 0x56, 0x78, 0x9a, 0x11, 192,  168,  2,    100,  0xff,
                            0xff, 0xff, 0xff, 0xff, 0xff, 192,  168,  2,    100});
}

TEST_CASE("the first announcement of every address comes before the second of any, in both bursts") {
  Settings settings = two_legs();
  settings.routers[1].addresses.push_back(ip("192.168.0.101"));
  const auto schedule =
      announcement_schedule(settings.routers, {.repeats = 3, .spacing = 20ms, .second_burst = 5s});
  REQUIRE(schedule.size() == 2 * 3 * 3);
  CHECK(std::ranges::is_sorted(schedule, {}, &ScheduledAnnouncement::after));
  for (std::size_t round = 0; round < 6; ++round) {
    const Duration after = round < 3 ? 20ms * round : 5s + 20ms * (round - 3);
    CHECK(schedule[round * 3] == ScheduledAnnouncement{after, 0, ip("192.168.2.100")});
    CHECK(schedule[round * 3 + 1] == ScheduledAnnouncement{after, 1, ip("192.168.0.100")});
    CHECK(schedule[round * 3 + 2] == ScheduledAnnouncement{after, 1, ip("192.168.0.101")});
  }
}

TEST_CASE("excluded addresses are announced with the others, of either family") {
  Settings settings = one_leg();
  settings.routers[0].excluded = {ip("192.168.3.1"), ip("2001:db8::1")};
  const auto schedule = announcement_schedule(settings.routers, {.repeats = 2, .second_burst = 0s});
  REQUIRE(schedule.size() == 2 * 3);
  CHECK(schedule[1].address == ip("192.168.3.1"));
  CHECK(schedule[2].address == ip("2001:db8::1"));
  CHECK(schedule[3] == ScheduledAnnouncement{20ms, 0, ip("192.168.2.100")});
}

TEST_CASE("without a second burst there is one") {
  const auto schedule = announcement_schedule(two_legs().routers, {.repeats = 5, .second_burst = 0s});
  CHECK(schedule.size() == 5 * 2);
  CHECK(schedule.back().after == Duration(80ms));
}

TEST_CASE("a first burst that runs into the second is sent in the order of time") {
  const auto schedule =
      announcement_schedule(two_legs().routers, {.repeats = 5, .spacing = 1s, .second_burst = 2s});
  CHECK(schedule.size() == 2 * 5 * 2);
  CHECK(std::ranges::is_sorted(schedule, {}, &ScheduledAnnouncement::after));
}

TEST_CASE("a gratuitous ARP reply is broadcast and says the same MAC as sender and target") {
  const ByteVector frame = gratuitous_arp_reply(kMac, ip("192.168.2.100"));
  CHECK(frame == ByteVector{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x12, 0x34, 0x56, 0x78, 0x9a,
                            0x11, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
                            0x12, 0x34, 0x56, 0x78, 0x9a, 0x11, 192,  168,  2,    100,  0x12,
                            0x34, 0x56, 0x78, 0x9a, 0x11, 192,  168,  2,    100});
}

// Recomputed by hand from RFC 8200 and RFC 4861, not by this program.
TEST_CASE(
    "an unsolicited neighbour advertisement is the frame of RFC 4861 4.4, from the address to all nodes") {
  const MacAddress mac = virtual_router_mac(Family::ipv6, 10);
  const ByteVector frame = unsolicited_neighbour_advertisement(mac, ip("2001:db8::100"), true);
  const ByteVector golden{
      0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x02, 0x0a, 0x86, 0xdd,  // Ethernet
      0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,                                      // IPv6
      0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x01, 0x00, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0x19, 0x23, 0xa0, 0x00, 0x00, 0x00,  // ICMPv6, R and O
      0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x01, 0x00, 0x02, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x02, 0x0a};  // target link-layer address
  CHECK(frame == golden);

  const ByteVector host = unsolicited_neighbour_advertisement(mac, ip("2001:db8::100"), false);
  CHECK(host.at(58) == 0x20);  // O alone
}

TEST_CASE("an announcement is a request, a reply or both over IPv4, and a router's advertisement over IPv6") {
  const IpAddress four = ip("192.168.2.100");
  const IpAddress six = ip("2001:db8::100");
  const ByteVector request = gratuitous_arp_request(kMac, four);
  const ByteVector reply = gratuitous_arp_reply(kMac, four);
  CHECK(announcement_frames(kMac, four, ArpForm::request) == Frames{request});
  CHECK(announcement_frames(kMac, four, ArpForm::reply) == Frames{reply});
  CHECK(announcement_frames(kMac, four, ArpForm::both) == Frames{request, reply});
  CHECK(announcement_frames(kMac, six, ArpForm::reply) ==
        Frames{unsolicited_neighbour_advertisement(kMac, six, true)});
}
