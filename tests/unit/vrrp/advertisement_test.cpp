#include "vrrp/advertisement.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using ftfw::test::ip;

namespace {

const IpAddress kSource = ip("192.0.2.252");

Advertisement version_3() {
  return {.version = 3,
          .id = 10,
          .priority = 200,
          .interval = 1s,
          .addresses = {ip("192.0.2.1"), ip("192.0.2.9")},
          .pass = std::nullopt};
}

Advertisement version_2_pass() {
  Advertisement advertisement = version_3();
  advertisement.version = 2;
  advertisement.pass = Pass{'s', 'e', 'c', 'r', 'e', 't', 0, 0};
  return advertisement;
}

ByteVector encoded(const Advertisement& advertisement) {
  return encode(advertisement, kSource, multicast_group(Family::ipv4));
}

// Sums a changed PDU anew (message only), so that the change itself is what is judged.
void repair_checksum(ByteVector& pdu) {
  pdu[6] = pdu[7] = 0;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < pdu.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(pdu[i] << 8) : pdu[i];
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  pdu[6] = static_cast<std::uint8_t>(~sum >> 8);
  pdu[7] = static_cast<std::uint8_t>(~sum);
}

std::optional<DecodeError> error_of(ByteVector pdu, bool repair = true) {
  if (repair && pdu.size() >= 8) repair_checksum(pdu);
  const auto decoded = decode(pdu, kSource, multicast_group(Family::ipv4));
  if (decoded) return std::nullopt;
  return decoded.error();
}

ByteVector changed(ByteVector pdu, std::size_t offset, std::uint8_t value) {
  pdu.at(offset) = value;
  return pdu;
}

}  // namespace

TEST_CASE("an advertisement round-trips in version 2, with and without password, and in version 3") {
  for (Advertisement advertisement : {version_3(), version_2_pass()}) {
    CHECK(decode(encoded(advertisement), kSource, multicast_group(Family::ipv4))->advertisement ==
          advertisement);
    advertisement.pass.reset();
    advertisement.priority = 0;
    CHECK(decode(encoded(advertisement), kSource, multicast_group(Family::ipv4))->advertisement ==
          advertisement);
  }
}

TEST_CASE("an IPv6 advertisement of version 3 round-trips, always with the pseudo-header") {
  const IpAddress source = ip("fe80::1");
  const IpAddress destination = ip("ff02::12");
  Advertisement advertisement = version_3();
  advertisement.addresses = {ip("fe80::100"), ip("2001:db8::100")};
  ByteVector pdu = encode(advertisement, source, destination);
  CHECK(pdu.size() == 8 + 2 * 16);
  const auto decoded = decode(pdu, source, destination);
  REQUIRE(decoded);
  CHECK(decoded->advertisement == advertisement);
  CHECK(decoded->checksum == ChecksumForm::pseudo_header);
  repair_checksum(pdu);  // message only
  CHECK(decode(pdu, source, destination).error() == DecodeError::bad_checksum);
}

TEST_CASE("a checksum form that the version or the family does not have is not sent") {
  const Advertisement two = version_2_pass();
  CHECK(encode(two, kSource, multicast_group(Family::ipv4), ChecksumForm::pseudo_header) ==
        encode(two, kSource, multicast_group(Family::ipv4), ChecksumForm::message_only));
  Advertisement six = version_3();
  six.addresses = {ip("fe80::100")};
  CHECK(encode(six, ip("fe80::1"), ip("ff02::12"), ChecksumForm::message_only) ==
        encode(six, ip("fe80::1"), ip("ff02::12"), ChecksumForm::pseudo_header));
}

TEST_CASE("sent to the group, the pseudo-header with the group is the ordinary one") {
  const ByteVector pdu =
      encode(version_3(), kSource, multicast_group(Family::ipv4), ChecksumForm::pseudo_header_of_group);
  CHECK(decode(pdu, kSource, multicast_group(Family::ipv4))->checksum == ChecksumForm::pseudo_header);
  CHECK(decode(pdu, kSource, ip("192.0.2.253"))->checksum == ChecksumForm::pseudo_header_of_group);
}

TEST_CASE("intervals at both ends of the version 3 range and of the version 2 range round-trip") {
  for (const Duration interval : {Duration(10ms), Duration(100ms), Duration(40950ms)}) {
    Advertisement advertisement = version_3();
    advertisement.interval = interval;
    CHECK(decode(encoded(advertisement), kSource, multicast_group(Family::ipv4))->advertisement.interval ==
          interval);
  }
  for (const Duration interval : {Duration(1s), Duration(255s)}) {
    Advertisement advertisement = version_2_pass();
    advertisement.interval = interval;
    CHECK(decode(encoded(advertisement), kSource, multicast_group(Family::ipv4))->advertisement.interval ==
          interval);
  }
}

TEST_CASE("the reserved bits of version 3 are sent as zero and ignored when received") {
  ByteVector pdu = encoded(version_3());
  CHECK((pdu[4] & 0xf0) == 0);
  pdu[4] |= 0xf0;
  repair_checksum(pdu);
  CHECK(decode(pdu, kSource, multicast_group(Family::ipv4))->advertisement.interval == Duration(1s));
}

TEST_CASE("every malformed class is told apart") {
  const ByteVector good3 = encoded(version_3());
  const ByteVector good2 = encoded(version_2_pass());
  CHECK(error_of({}) == DecodeError::too_short);
  CHECK(error_of(ByteVector(good3.begin(), good3.begin() + 7)) == DecodeError::too_short);
  CHECK(error_of(changed(good3, 0, 0x11)) == DecodeError::unknown_version);
  CHECK(error_of(changed(good3, 0, 0x41)) == DecodeError::unknown_version);
  CHECK(error_of(changed(good3, 0, 0x32)) == DecodeError::wrong_type);
  CHECK(error_of(changed(good3, 1, 0)) == DecodeError::zero_id);
  CHECK(error_of(changed(good3, 3, 0)) == DecodeError::zero_count);
  CHECK(error_of(changed(good3, 3, 3)) == DecodeError::truncated);
  CHECK(error_of(changed(good3, 3, 255)) == DecodeError::truncated);
  CHECK(error_of(changed(good3, 3, 1)) == DecodeError::excess_bytes);
  CHECK(error_of(changed(changed(good3, 4, 0), 5, 0)) == DecodeError::zero_interval);
  CHECK(error_of(changed(good2, 5, 0)) == DecodeError::zero_interval);
  CHECK(error_of(changed(good3, 6, static_cast<std::uint8_t>(~good3[6])), false) ==
        DecodeError::bad_checksum);
  CHECK(error_of(changed(good2, 4, 2)) == DecodeError::unknown_authentication);
  CHECK_FALSE(error_of(changed(good2, 4, 0)));
}

TEST_CASE("version 2 without its 8 bytes of authentication data is truncated, over IPv6 it does not exist") {
  ByteVector pdu = encoded(version_2_pass());
  pdu.resize(pdu.size() - 8);
  CHECK(error_of(pdu) == DecodeError::truncated);
  CHECK(decode(encoded(version_2_pass()), ip("fe80::1"), ip("ff02::12")).error() ==
        DecodeError::unknown_version);
}

TEST_CASE("a packet cut anywhere is refused") {
  for (const ByteVector& whole : {encoded(version_3()), encoded(version_2_pass())}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const ByteVector cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_FALSE(decode(cut, kSource, multicast_group(Family::ipv4)));
    }
  }
}

TEST_CASE("any single wrong bit is noticed by the checksum or the checks before it") {
  const ByteVector good = encoded(version_3());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteVector bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    CHECK_FALSE(decode(bad, kSource, multicast_group(Family::ipv4)));
  }
}

TEST_CASE("255 addresses fit") {
  Advertisement advertisement = version_2_pass();
  advertisement.addresses.assign(255, ip("192.0.2.1"));
  CHECK(decode(encoded(advertisement), kSource, multicast_group(Family::ipv4))->advertisement ==
        advertisement);
}
