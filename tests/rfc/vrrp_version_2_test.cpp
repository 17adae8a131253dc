// RFC 3768: what version 2 has and version 3 has not, or has otherwise. One case a difference.
#include <doctest/doctest.h>
#include "vrrp/intervals.hpp"

#include "tests/rfc/golden.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

const IpAddress kGroup = multicast_group(Family::ipv4);
const IpAddress kSource = ip("192.168.1.2");

void check_discarded(Driver& node, const Advertisement& advertisement, RejectReason reason, NoticeKind kind) {
  node.receive(advertisement);
  CHECK(node.state() == State::active);
  CHECK(node.engine.counters().routers[0][reason] == 1);
  CHECK(node.notices() == std::vector{kind});
}

}  // namespace

TEST_CASE("RFC 3768 5.3: keepalived's PASS packet is read and written bit by bit") {
  const auto decoded = decode(kGoldenVersion2, kSource, kGroup);
  REQUIRE(decoded);
  CHECK(decoded->advertisement == golden_version_2());
  CHECK(encode(golden_version_2(), kSource, kGroup) == kGoldenVersion2);
}

TEST_CASE("RFC 3768 5.3.6: types of authentication other than none and password are discarded") {
  for (const int type : {2, 3, 100}) {  // 2: the IP authentication header, which we do not speak
    ByteVector pdu = kGoldenVersion2;
    pdu[4] = static_cast<std::uint8_t>(type);
    pdu[6] = static_cast<std::uint8_t>(0xbb - (type - 1));
    CHECK(decode(pdu, kSource, kGroup).error() == DecodeError::unknown_authentication);
  }
}

TEST_CASE("RFC 3768 5.3.7: the interval is whole seconds") {
  Advertisement advertisement = golden_version_2();
  advertisement.interval = 255s;
  const ByteVector pdu = encode(advertisement, kSource, kGroup);
  CHECK(pdu[5] == 255);
  CHECK(decode(pdu, kSource, kGroup)->advertisement.interval == Duration(255s));
}

TEST_CASE("RFC 3768 5.3.8: the checksum is of the message with its authentication data, without addresses") {
  Advertisement advertisement = golden_version_2();
  advertisement.priority = 0;
  const ByteVector pdu = encode(advertisement, kSource, kGroup);
  CHECK(pdu[6] == 0xee);
  CHECK(pdu[7] == 0x25);
  CHECK(decode(pdu, kSource, kGroup)->advertisement == advertisement);
  CHECK(decode(pdu, ip("10.9.8.7"), ip("10.9.8.6"))->advertisement == advertisement);
}

TEST_CASE("RFC 3768 5.3.8: a checksum with pseudo-header is wrong in version 2") {
  ByteVector pdu = kGoldenVersion2;
  pdu[6] = 0x18;  // with 192.168.1.2, 224.0.0.18, 112 and 20 summed too
  pdu[7] = 0xe4;
  CHECK(decode(pdu, kSource, kGroup).error() == DecodeError::bad_checksum);
}

TEST_CASE("RFC 3768 5.3.10: without authentication the 8 bytes are sent as zeros and ignored when received") {
  Advertisement advertisement = golden_version_2();
  advertisement.pass.reset();
  const ByteVector pdu = encode(advertisement, kGoldenSource, kGroup);
  CHECK(pdu.size() == 20);
  CHECK(pdu[4] == 0);
  CHECK(std::ranges::all_of(pdu.end() - 8, pdu.end(), [](std::uint8_t byte) { return byte == 0; }));
  ByteVector filled = pdu;
  filled[19] = 1;
  filled[7] = static_cast<std::uint8_t>(filled[7] - 1);
  CHECK(decode(filled, kGoldenSource, kGroup)->advertisement == advertisement);
}

TEST_CASE("RFC 3768 5.3.10: a packet without its authentication data is not complete") {
  ByteVector pdu = kGoldenVersion2;
  pdu.resize(12);
  CHECK(decode(pdu, kSource, kGroup).error() == DecodeError::truncated);
}

TEST_CASE("RFC 3768 6.1: Skew_Time of version 2 is (256 - priority) / 256 seconds, whatever the interval") {
  CHECK(skew_time(2, 100, 1s) == 609375us);
  CHECK(skew_time(2, 100, 30s) == 609375us);
}

TEST_CASE("RFC 3768 6.1: Master_Down_Interval is 3 * Advertisement_Interval + Skew_Time") {
  CHECK(active_down_interval(2, 100, 30s, 3) == 90609375us);
}

TEST_CASE("RFC 3768 6.4: version 2 elects, releases and preempts with its own formulas") {
  Driver node(version_2(one_leg()));
  node.started().advance(active_down_interval(2, 100, 1s, 3) - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
  node.hear(200);
  CHECK(node.state() == State::backup);
  node.hear(0);
  node.advance(skew_time(2, 100, 1s) - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

// RFC 3768 6.4.3 discards it; keepalived answers, and so do we: the loser leaves at once.
TEST_CASE("RFC 9568 6.4.3 in version 2: a losing advertisement is answered too") {
  Driver node(version_2(one_leg()));
  node.active().hear(50);
  CHECK(node.state() == State::active);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].advertisement.version == 2);
}

TEST_CASE("RFC 3768 7.1: a packet of version 3 is discarded, and told") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.version = 3;
  advertisement.pass.reset();
  check_discarded(node, advertisement, RejectReason::version_mismatch, NoticeKind::version_mismatch);
}

TEST_CASE("RFC 3768 7.1: another type of authentication is discarded, and told") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.pass.reset();
  check_discarded(node, advertisement, RejectReason::authentication_mismatch,
                  NoticeKind::authentication_mismatch);
}

TEST_CASE("RFC 3768 7.1: another password is discarded, whichever byte differs") {
  Driver node(version_2(one_leg()));
  node.active();
  for (std::size_t i = 0; i < 8; ++i) {
    Advertisement advertisement = node.advertisement(200);
    ++advertisement.pass->at(i);
    node.receive(advertisement);
  }
  CHECK(node.state() == State::active);
  CHECK(node.engine.counters().routers[0][RejectReason::authentication_mismatch] == 8);
}

TEST_CASE("RFC 3768 7.1: another interval is discarded, and told") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.interval = 2s;
  check_discarded(node, advertisement, RejectReason::interval_mismatch, NoticeKind::interval_mismatch);
}

// RFC 3768 7.1 drops it unless it is the owner's; one node that got an address first must not make two
// primaries.
TEST_CASE("RFC 9568 7.1 in version 2: another address list is told, and the packet counts") {
  Driver node(version_2(one_leg()));
  node.active();
  Advertisement advertisement = node.advertisement(200);
  advertisement.addresses.push_back(ip("192.168.2.101"));
  node.receive(advertisement);
  CHECK(node.state() == State::backup);
  CHECK(node.notices() == std::vector{NoticeKind::address_mismatch});
}
