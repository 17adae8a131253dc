#include "vrrp/reception.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

struct Reception {
  explicit Reception(Settings given) : settings(std::move(given)) {}

  std::expected<Accepted, Rejected> operator()(const Advertisement& advertisement, std::uint8_t ttl = 255,
                                               const char* destination = "224.0.0.18") {
    const ByteVector pdu = encode(advertisement, source, ip(destination));
    return receive(settings, settings.routers[0], ip("192.168.2.1"), {source, ip(destination), ttl, pdu},
                   counters);
  }
  Advertisement good() const { return Driver(settings).advertisement(100); }

  Settings settings;
  RouterCounters counters;
  IpAddress source = ip("192.168.2.2");
};

}  // namespace

TEST_CASE("a good advertisement is accepted and counted once") {
  Reception reception(one_leg());
  CHECK(reception(reception.good())->addresses == AddressMatch::same);
  CHECK(reception.counters.received == 1);
  CHECK(reception.counters.accepted == 1);
  CHECK(reception.counters.checksum_pseudo_header == 1);
  CHECK(reception.counters.checksum_message_only == 0);
}

TEST_CASE("each reason to drop a packet has its own counter") {
  Reception reception(version_2(one_leg()));
  const Advertisement good = reception.good();
  const auto expect = [&](RejectReason reason, const auto& result) {
    CAPTURE(to_string(reason));
    REQUIRE_FALSE(result);
    CHECK(result.error().reason == reason);
    CHECK(reception.counters[reason] == 1);
  };
  expect(RejectReason::wrong_ttl, reception(good, 254));
  expect(RejectReason::wrong_destination, reception(good, 255, "192.168.2.1"));
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
  reception.source = ip("192.168.2.1");
  expect(RejectReason::own_packet, reception(good));
  CHECK(reception.counters.received == 8);
  CHECK(reception.counters.accepted == 0);
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
