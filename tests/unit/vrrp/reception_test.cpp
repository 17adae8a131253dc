#include "vrrp/reception.hpp"

#include <doctest/doctest.h>

#include <set>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

struct Reception {
  explicit Reception(Settings given) : settings(std::move(given)), driver(settings) {
    driver.links_up();
    source = driver.peer_address(0);
    destination = driver.destination(0);
  }

  std::expected<Accepted, Rejected> bytes(ByteSpan pdu, std::uint8_t ttl = 255) {
    return receive(settings, settings.routers[0], driver.own_address(0), {source, destination, ttl, pdu},
                   counters);
  }
  std::expected<Accepted, Rejected> operator()(const Advertisement& advertisement, std::uint8_t ttl = 255) {
    return bytes(encode(advertisement, source, destination), ttl);
  }
  std::expected<Accepted, Rejected> from(const char* address) {
    source = ip(address);
    return (*this)(good());
  }
  std::expected<Accepted, Rejected> sent_to(const char* address) {
    destination = ip(address);
    return (*this)(good());
  }
  Advertisement good() const { return driver.advertisement(100); }

  Settings settings;
  Driver driver;
  RouterCounters counters;
  IpAddress source;
  IpAddress destination;
};

void check_dropped(const std::expected<Accepted, Rejected>& result, RejectReason reason) {
  CAPTURE(to_string(reason));
  REQUIRE_FALSE(result);
  CHECK(result.error().reason == reason);
}

}  // namespace

TEST_CASE("a good advertisement is accepted and counted once") {
  Reception reception(one_leg());
  CHECK(reception(reception.good())->addresses == AddressMatch::same);
  CHECK(reception.counters.received == 1);
  CHECK(reception.counters.accepted == 1);
  CHECK(reception.counters.checksum_pseudo_header == 1);
  CHECK(reception.counters.checksum_message_only == 0);
}

TEST_CASE("each reason to drop a packet has its own counter and its own name") {
  Settings settings = version_2(one_leg());
  settings.routers[0].allowed_sources = {ip("192.168.2.2")};
  Reception reception(settings);
  const Advertisement good = reception.good();
  const auto expect = [&](RejectReason reason, const auto& result) {
    check_dropped(result, reason);
    CHECK(reception.counters[reason] == 1);
  };
  expect(RejectReason::wrong_ttl, reception(good, 254));
  Advertisement bad = good;
  bad.id = 99;
  expect(RejectReason::other_id, reception(bad));
  bad = good;
  bad.version = 3;
  expect(RejectReason::version_mismatch, reception(bad));
  bad = good;
  bad.interval = 2s;
  expect(RejectReason::interval_mismatch, reception(bad));
  bad = good;
  bad.pass = Pass{'p', 'a', 'p', 'a', 's', '_', 'c', 'a'};
  expect(RejectReason::authentication_mismatch, reception(bad));
  bad = good;
  bad.addresses.clear();
  expect(RejectReason::malformed, reception(bad));
  CHECK(reception.counters[DecodeError::zero_count] == 1);
  expect(RejectReason::own_packet, reception.from("192.168.2.1"));
  expect(RejectReason::source_not_allowed, reception.from("192.168.2.7"));
  reception.source = ip("192.168.2.2");
  expect(RejectReason::wrong_destination, reception.sent_to("192.168.2.1"));
  CHECK(reception.counters.received == 9);
  CHECK(reception.counters.accepted == 0);
  const auto named = named_counters(reception.counters);
  std::set<std::string_view> names;
  for (const auto& [name, value] : named) {
    if (value > 0) names.insert(name);
  }
  CHECK(names.contains("source is not allowed"));
  CHECK(names.contains("no address"));
  // "received", all reasons but the one of IPv6, one class of malformed
  CHECK(names.size() == 1 + (kRejectReasonCount - 1) + 1);
}

TEST_CASE("every counter has a name of its own in the list") {
  RouterCounters all;
  all.received = all.accepted = all.checksum_message_only = all.checksum_pseudo_header = 1;
  all.checksum_pseudo_header_of_group = all.priority_zero_received = all.address_mismatch = 1;
  all.lower_priority_received = all.sent = all.priority_zero_sent = all.answers_deferred = 1;
  all.rejected.fill(1);
  all.malformed.fill(1);
  const auto named = named_counters(all);
  std::set<std::string_view> names;
  for (const auto& [name, value] : named) names.insert(name);
  CHECK(named.size() == sizeof(RouterCounters) / sizeof(std::uint64_t));
  CHECK(names.size() == named.size());
  CHECK(named_counters({}).size() == named.size());
}

TEST_CASE("a multicast leg takes what was sent to the group of its family, and nothing else") {
  CHECK(Reception(one_leg()).sent_to("224.0.0.18"));
  check_dropped(Reception(one_leg()).sent_to("192.168.2.1"), RejectReason::wrong_destination);
  check_dropped(Reception(one_leg()).sent_to("224.0.0.1"), RejectReason::wrong_destination);
  check_dropped(Reception(one_leg()).sent_to("255.255.255.255"), RejectReason::wrong_destination);
  CHECK(Reception(ipv6_leg()).sent_to("ff02::12"));
  check_dropped(Reception(ipv6_leg()).sent_to("fe80::1"), RejectReason::wrong_destination);
  check_dropped(Reception(ipv6_leg()).sent_to("ff02::1"), RejectReason::wrong_destination);
}

TEST_CASE("a unicast leg takes what its peers sent to its own address, and nothing else") {
  CHECK(Reception(unicast_leg()).from("192.168.2.2"));
  CHECK(Reception(unicast_leg()).from("192.168.2.3"));
  check_dropped(Reception(unicast_leg()).from("192.168.2.4"), RejectReason::source_not_allowed);
  check_dropped(Reception(unicast_leg()).sent_to("224.0.0.18"), RejectReason::wrong_destination);
  check_dropped(Reception(unicast_leg()).sent_to("192.168.2.100"), RejectReason::wrong_destination);
  check_dropped(Reception(unicast_leg()).from("192.168.2.1"), RejectReason::own_packet);
}

TEST_CASE("a unicast leg without an address takes nothing") {
  Reception reception(unicast_leg());
  const ByteVector pdu = encode(reception.good(), reception.source, reception.destination);
  check_dropped(receive(reception.settings, reception.settings.routers[0], std::nullopt,
                        {reception.source, reception.destination, 255, pdu}, reception.counters),
                RejectReason::wrong_destination);
}

TEST_CASE("another virtual router's peers and destinations are none of our business") {
  Settings settings = unicast_leg();
  settings.routers[0].allowed_sources = {ip("192.168.2.2")};
  Reception reception(settings);
  Advertisement other = reception.good();
  other.id = 7;
  reception.source = ip("192.168.2.77");
  reception.destination = multicast_group(Family::ipv4);
  check_dropped(reception(other), RejectReason::other_id);
}

TEST_CASE("allowed sources narrow a multicast leg, and the peers of a unicast leg further") {
  Settings settings = one_leg();
  settings.routers[0].allowed_sources = {ip("192.168.2.2")};
  CHECK(Reception(settings).from("192.168.2.2"));
  check_dropped(Reception(settings).from("192.168.2.3"), RejectReason::source_not_allowed);
  settings.routers[0].unicast = {ip("192.168.2.1"), ip("192.168.2.2"), ip("192.168.2.3")};
  CHECK(Reception(settings).from("192.168.2.2"));
  check_dropped(Reception(settings).from("192.168.2.3"), RejectReason::source_not_allowed);
}

TEST_CASE("an IPv6 leg takes nothing from a source that is not link-local") {
  Reception reception(ipv6_leg());
  CHECK(reception(reception.good()));
  check_dropped(reception.from("2001:db8::2"), RejectReason::source_not_link_local);
  CHECK(reception.counters[RejectReason::source_not_link_local] == 1);
}

TEST_CASE("an IPv6 leg speaks version 3 beside IPv4 legs of version 2, and no password") {
  Settings settings = version_2(ipv6_leg());
  Reception reception(settings);
  Advertisement advertisement = reception.good();
  CHECK(advertisement.version == 3);
  advertisement.interval = 250ms;  // and no interval of version 2 either
  CHECK(reception(advertisement));
}

TEST_CASE("all three checksum forms of version 3 over IPv4 are accepted and counted apart") {
  Reception reception(unicast_leg());
  const std::vector forms{ChecksumForm::pseudo_header, ChecksumForm::message_only,
                          ChecksumForm::pseudo_header_of_group};
  for (const ChecksumForm form : forms) {
    CHECK(reception.bytes(encode(reception.good(), reception.source, reception.destination, form)));
  }
  CHECK(reception.counters.checksum_pseudo_header == 1);
  CHECK(reception.counters.checksum_message_only == 1);
  CHECK(reception.counters.checksum_pseudo_header_of_group == 1);
}

TEST_CASE("a password where none is configured, and none where one is, is a mismatch") {
  Reception with(version_2(one_leg()));
  Advertisement advertisement = with.good();
  Settings plain = with.settings;
  plain.pass.reset();
  Reception without(plain);
  CHECK(without(advertisement).error().reason == RejectReason::authentication_mismatch);
  advertisement.pass.reset();
  CHECK(with(advertisement).error().reason == RejectReason::authentication_mismatch);
  CHECK(without(advertisement));
}

TEST_CASE("address lists are compared as sets; a difference is accepted and counted") {
  Settings settings = one_leg();
  settings.routers[0].addresses = {ip("192.168.2.100"), ip("192.168.2.101")};
  Reception reception(settings);
  Advertisement advertisement = reception.good();
  std::ranges::reverse(advertisement.addresses);
  CHECK(reception(advertisement)->addresses == AddressMatch::same);
  advertisement.addresses.pop_back();
  CHECK(reception(advertisement)->addresses == AddressMatch::differs);
  advertisement.addresses = {ip("192.168.2.200")};
  CHECK(reception(advertisement)->addresses == AddressMatch::disjoint);
  CHECK(reception.counters.accepted == 3);
  CHECK(reception.counters.address_mismatch == 2);
}

TEST_CASE("version 3 accepts any interval, version 2 only its own") {
  Reception reception(one_leg());
  Advertisement advertisement = reception.good();
  advertisement.interval = 250ms;
  CHECK(reception(advertisement));
}
