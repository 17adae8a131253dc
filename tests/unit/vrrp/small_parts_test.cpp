// intervals, notice, priority, links, settings and output texts: values in, values out.
#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"
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
  CHECK(active_down_interval(3, 100, 100ms, 30) == 3060937500ns);
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

TEST_CASE("a dropped packet is told once a class and episode, and a flood keeps its episode alive") {
  NoticeEpisodes episodes;
  Instant now{10s};
  const Rejected checksum{RejectReason::malformed, DecodeError::bad_checksum};
  CHECK(episodes.happens(now, checksum));
  for (int i = 0; i < 10'000; ++i) CHECK_FALSE(episodes.happens(now += 100ms, checksum));
  CHECK(episodes.happens(now, Rejected{RejectReason::malformed, DecodeError::truncated}));
  CHECK(episodes.happens(now, Rejected{RejectReason::wrong_ttl}));
  CHECK_FALSE(episodes.happens(now + kNoticeQuiet, checksum));
  CHECK(episodes.happens(now + 2 * kNoticeQuiet + 1ns, checksum));
}

TEST_CASE("the effective priority is the configured one and what is added, never 0 and never the owner's") {
  CHECK(effective_priority(100, 0, false) == 100);
  CHECK(effective_priority(100, 50, false) == 150);
  CHECK(effective_priority(100, -1000, false) == 1);
  CHECK(effective_priority(100, 1000, false) == 254);
  CHECK(effective_priority(100, 50, true) == kFloorPriority);
  CHECK(effective_priority(255, -200, true) == 255);
}

TEST_CASE("a link with an up-delay is usable after it stayed up for so long, each time anew") {
  SteadyLink link(5s);
  const Instant start{100s};
  link.report(start, true);
  CHECK_FALSE(link.usable());
  CHECK(link.usable_from() == start + 5s);
  link.report(start + 4s, true);  // no news
  CHECK(link.usable_from() == start + 5s);
  CHECK_FALSE(link.settle(start + 5s - 1ns));
  CHECK(link.settle(start + 5s));
  CHECK(link.usable());
  CHECK_FALSE(link.settle(start + 6s));
  link.report(start + 7s, false);
  CHECK_FALSE(link.usable());
  CHECK_FALSE(link.usable_from());
  link.report(start + 8s, true);
  link.report(start + 12s, false);  // came and went
  CHECK_FALSE(link.settle(start + 13s));
  CHECK_FALSE(link.usable());
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
  Settings settings = two_legs();
  settings.tracked_interfaces = {{.interface = "wan", .weight = std::nullopt}};
  CHECK(to_string(Cause{Cause::Kind::tracked_interface_lost, 0}, settings) == "tracked interface wan lost");
  CHECK(to_string(Cause{Cause::Kind::tracked_interface_restored, 0}, settings) ==
        "tracked interface wan restored");
}
