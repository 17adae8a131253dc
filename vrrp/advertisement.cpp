#include "vrrp/advertisement.hpp"

#include <algorithm>
#include <cassert>
#include <span>

#include "vrrp/internet_checksum.hpp"

//  version 2 (RFC 3768 5.3)                                version 3 (RFC 9568 5.2)
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-------+-------+---------------+---------------+---------------+
//  |version|type=1 | virtual rtr id|    priority   | address count |
//  +-------+-------+---------------+---------------+---------------+
//  |auth type (v2) | interval, s   |           checksum            |   v2: type of authentication, seconds
//  |rsvd=0 |  interval, cs (v3)    |                               |   v3: 4 bits reserved, 12 bits of 10 ms
//  +-------+-------+---------------+---------------+---------------+
//  |                    addresses, 4 or 16 bytes each              |
//  +---------------------------------------------------------------+
//  |            v2 only: 8 bytes of authentication data            |   zeros with authentication type 0
//  +---------------------------------------------------------------+

namespace ftfw::vrrp {
namespace {

constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kProtocolVrrp = 112;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kChecksumOffset = 6;
constexpr std::size_t kAuthenticationBytes = 8;
constexpr std::uint8_t kAuthenticationNone = 0;
constexpr std::uint8_t kAuthenticationPass = 1;
constexpr Duration kCentisecond = 10ms;
constexpr std::uint16_t kIntervalMask = 0x0fff;

// What the sum begins with, before the message itself.
std::uint32_t start_of_sum(ChecksumForm form, const IpAddress& source, const IpAddress& destination,
                           std::size_t length) {
  switch (form) {
    case ChecksumForm::message_only:
      return 0;
    case ChecksumForm::pseudo_header:
      return sum_of_pseudo_header(source, destination, kProtocolVrrp, length);
    case ChecksumForm::pseudo_header_of_group:
      return sum_of_pseudo_header(source, multicast_group(source.family()), kProtocolVrrp, length);
  }
  return 0;
}

// The forms in which a packet may come, the usual one first.
std::span<const ChecksumForm> allowed_forms(std::uint8_t version, Family family) {
  static constexpr std::array kAll{ChecksumForm::pseudo_header, ChecksumForm::message_only,
                                   ChecksumForm::pseudo_header_of_group};
  const std::span<const ChecksumForm> all(kAll);
  if (family == Family::ipv6) return all.first(1);
  return version == 2 ? all.subspan(1, 1) : all;
}

std::optional<ChecksumForm> matching_form(ByteSpan pdu, std::uint8_t version, const IpAddress& source,
                                          const IpAddress& destination) {
  const auto forms = allowed_forms(version, source.family());
  const auto match = std::ranges::find_if(forms, [&](ChecksumForm form) {
    return has_right_checksum(pdu, start_of_sum(form, source, destination, pdu.size()));
  });
  if (match == forms.end()) return std::nullopt;
  return *match;
}

}  // namespace

IpAddress multicast_group(Family family) {
  if (family == Family::ipv6) {
    return IpAddress::ipv6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12});
  }
  return IpAddress::ipv4({224, 0, 0, 18});
}

std::string_view to_string(DecodeError error) {
  switch (error) {
    case DecodeError::too_short:
      return "shorter than the header";
    case DecodeError::unknown_version:
      return "unknown version";
    case DecodeError::wrong_type:
      return "not an advertisement";
    case DecodeError::zero_id:
      return "virtual router id 0";
    case DecodeError::zero_count:
      return "no address";
    case DecodeError::truncated:
      return "shorter than its address count says";
    case DecodeError::excess_bytes:
      return "longer than its address count says";
    case DecodeError::zero_interval:
      return "interval 0";
    case DecodeError::bad_checksum:
      return "wrong checksum";
    case DecodeError::unknown_authentication:
      return "unknown type of authentication";
  }
  return "?";
}

ByteVector encode(const Advertisement& advertisement, const IpAddress& source, const IpAddress& destination,
                  ChecksumForm form) {
  assert(advertisement.addresses.size() <= 255);
  const bool version_2 = advertisement.version == 2;
  ByteVector out;
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(advertisement.version << 4 | kTypeAdvertisement));
  writer.u8(advertisement.id);
  writer.u8(advertisement.priority);
  writer.u8(static_cast<std::uint8_t>(advertisement.addresses.size()));
  if (version_2) {
    writer.u8(advertisement.pass ? kAuthenticationPass : kAuthenticationNone);
    writer.u8(static_cast<std::uint8_t>(advertisement.interval / 1s));
  } else {
    writer.u16(static_cast<std::uint16_t>(advertisement.interval / kCentisecond) & kIntervalMask);
  }
  writer.u16(0);
  for (const IpAddress& address : advertisement.addresses) writer.bytes(address.bytes());
  if (version_2) writer.bytes(advertisement.pass.value_or(Pass{}));
  const auto forms = allowed_forms(advertisement.version, source.family());
  const ChecksumForm used = std::ranges::find(forms, form) != forms.end() ? form : forms.front();
  const std::uint32_t start = start_of_sum(used, source, destination, out.size());
  writer.patch_u16(kChecksumOffset, internet_checksum(out, start));
  return out;
}

std::expected<Decoded, DecodeError> decode(ByteSpan pdu, const IpAddress& source,
                                           const IpAddress& destination) {
  const auto refuse = [](DecodeError error) { return std::unexpected(error); };
  if (pdu.size() < kHeaderBytes) return refuse(DecodeError::too_short);
  ByteReader reader(pdu);
  Decoded decoded;
  Advertisement& advertisement = decoded.advertisement;
  const std::uint8_t version_and_type = reader.u8();
  advertisement.version = version_and_type >> 4;
  advertisement.id = reader.u8();
  advertisement.priority = reader.u8();
  const std::size_t count = reader.u8();
  const std::uint16_t authentication_and_interval = reader.u16();
  reader.u16();  // the checksum is verified over the whole

  const bool version_2 = advertisement.version == 2;
  if (!(version_2 && source.is_ipv4()) && advertisement.version != 3)
    return refuse(DecodeError::unknown_version);
  if ((version_and_type & 0x0f) != kTypeAdvertisement) return refuse(DecodeError::wrong_type);
  if (advertisement.id == 0) return refuse(DecodeError::zero_id);
  if (count == 0) return refuse(DecodeError::zero_count);
  const std::size_t address_bytes = source.bytes().size();
  const std::size_t expected_bytes =
      kHeaderBytes + count * address_bytes + (version_2 ? kAuthenticationBytes : 0);
  if (pdu.size() < expected_bytes) return refuse(DecodeError::truncated);
  if (pdu.size() > expected_bytes) return refuse(DecodeError::excess_bytes);

  const auto form = matching_form(pdu, advertisement.version, source, destination);
  if (!form) return refuse(DecodeError::bad_checksum);
  decoded.checksum = *form;

  advertisement.interval = version_2 ? (authentication_and_interval & 0xff) * Duration(1s)
                                     : (authentication_and_interval & kIntervalMask) * kCentisecond;
  if (advertisement.interval == Duration::zero()) return refuse(DecodeError::zero_interval);
  for (std::size_t i = 0; i < count; ++i) {
    advertisement.addresses.push_back(
        IpAddress::from_bytes(reader.take(address_bytes)).value_or(IpAddress()));
  }
  if (version_2) {
    const auto authentication = static_cast<std::uint8_t>(authentication_and_interval >> 8);
    const Pass data = reader.array<kAuthenticationBytes>();
    if (authentication == kAuthenticationPass) {
      advertisement.pass = data;
    } else if (authentication != kAuthenticationNone) {
      return refuse(DecodeError::unknown_authentication);
    }
  }
  return decoded;
}

}  // namespace ftfw::vrrp
