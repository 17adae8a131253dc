// intervals, notice, settings, output texts and announcement: values in, values out.
#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"
#include "vrrp/announcement.hpp"
#include "vrrp/intervals.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

TEST_CASE("skew and down interval of version 2 and 3") {
  CHECK(skew_time(2, 100, 3s) == 609375us);
  CHECK(skew_time(2, 80, 3s) == 687500us);
  CHECK(skew_time(3, 100, 100ms) == 60937500ns);
  CHECK(skew_time(3, 254, 1s) == 7812500ns);
  CHECK(active_down_interval(2, 100, 1s, 3) == 3609375us);
  CHECK(active_down_interval(2, 80, 3s, 3) == 9687500us);
  CHECK(active_down_interval(3, 100, 100ms, 3) == 360937500ns);
  CHECK(active_down_interval(3, 100, 10ms, 3) == 36093750ns);
}

TEST_CASE("a higher priority waits less, for every priority and both versions") {
  for (int priority = 1; priority < 255; ++priority) {
    for (const std::uint8_t version : {std::uint8_t{2}, std::uint8_t{3}}) {
      CHECK(skew_time(version, static_cast<std::uint8_t>(priority + 1), 1s) <
            skew_time(version, static_cast<std::uint8_t>(priority), 1s));
    }
  }
}

TEST_CASE("a notice is told once an episode") {
  NoticeEpisodes episodes;
  Instant now{10s};
  CHECK(episodes.happens(now, NoticeKind::version_mismatch));
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(episodes.happens(now += 1s, NoticeKind::version_mismatch));
  CHECK(episodes.happens(now, NoticeKind::address_mismatch));
  CHECK(episodes.happens(now + kNoticeQuiet + 1s, NoticeKind::version_mismatch));
}

TEST_CASE("settings are taken from the group, the node and the protocol part of the configuration") {
  config::Config config;
  config.vrrp = {
      .version = 2, .advertisement_interval = 3s, .pass = Pass{'x'}, .preempt = false, .sync_wait = 7s};
  config.group.routers = {{.name = "VI_1",
                           .interface = "eth1",
                           .id = 61,
                           .addresses = {{.address = *IpPrefix::parse("192.168.2.100/24")},
                                         {.address = *IpPrefix::parse("192.168.2.99")}}}};
  const config::Node node{.name = "fw-2", .priority = 80, .replication_address = {}, .where = {}};

  const Settings settings = make_settings(config, node, RoleLimit::backup_only);

  CHECK(settings.version == 2);
  CHECK(settings.advertisement_interval == Duration(3s));
  CHECK(settings.pass == Pass{'x'});
  CHECK(settings.priority == 80);
  CHECK_FALSE(settings.preempt);
  CHECK(settings.sync_wait == Duration(7s));
  CHECK(settings.role_limit == RoleLimit::backup_only);
  REQUIRE(settings.routers.size() == 1);
  CHECK(settings.routers[0].id == 61);
  CHECK(settings.routers[0].interface == "eth1");
  CHECK(settings.routers[0].addresses == std::vector{ip("192.168.2.100"), ip("192.168.2.99")});
}

TEST_CASE("a cause that concerns a leg names it") {
  CHECK(to_string(Cause{Cause::Kind::link_lost, 1}, two_legs()) == "link of VI_2 (eth0) lost");
  CHECK(to_string(Cause{Cause::Kind::silence}, two_legs()) == "no other primary is heard");
}

TEST_CASE("a gratuitous ARP request is the frame of RFC 826 with sender and target the same address") {
  const ByteVector frame =
      gratuitous_arp_request(*MacAddress::parse("12:34:56:78:9a:11"), ip("192.168.2.100"));
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
