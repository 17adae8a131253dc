#include "vrrp/reception.hpp"

#include <algorithm>

namespace ftfw::vrrp {
namespace {

// Takes the same time whatever differs, so that a password cannot be guessed byte by byte.
bool equal_in_constant_time(const Pass& a, const Pass& b) {
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

bool same_authentication(const std::optional<Pass>& ours, const std::optional<Pass>& theirs) {
  if (ours.has_value() != theirs.has_value()) return false;
  return !ours || equal_in_constant_time(*ours, *theirs);
}

AddressMatch compare(std::vector<IpAddress> ours, std::vector<IpAddress> theirs) {
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  if (ours == theirs) return AddressMatch::same;
  std::vector<IpAddress> common;
  std::ranges::set_intersection(ours, theirs, std::back_inserter(common));
  return common.empty() ? AddressMatch::disjoint : AddressMatch::differs;
}

std::expected<Accepted, RejectReason> check(const Settings& settings, const RouterSettings& router,
                                            const std::optional<IpAddress>& own_address,
                                            const ReceivedPacket& packet, RouterCounters& counters) {
  const auto reject = [](RejectReason reason) { return std::unexpected(reason); };
  if (packet.ttl != kTtl) return reject(RejectReason::wrong_ttl);
  if (own_address && packet.source == *own_address) return reject(RejectReason::own_packet);
  if (packet.destination != multicast_group_ipv4()) return reject(RejectReason::wrong_destination);
  auto decoded = decode(packet.payload, packet.source, packet.destination);
  if (!decoded) {
    ++counters[decoded.error()];
    return reject(RejectReason::malformed);
  }
  Advertisement& advertisement = decoded->advertisement;
  if (advertisement.id != router.id) return reject(RejectReason::other_id);
  if (advertisement.version != settings.version) return reject(RejectReason::version_mismatch);
  if (advertisement.version == 2) {
    if (!same_authentication(settings.pass, advertisement.pass)) {
      return reject(RejectReason::authentication_mismatch);
    }
    if (advertisement.interval != settings.advertisement_interval)
      return reject(RejectReason::interval_mismatch);
  } else {
    ++(decoded->checksum == ChecksumForm::pseudo_header ? counters.checksum_pseudo_header
                                                        : counters.checksum_message_only);
  }
  const AddressMatch match = compare(router.addresses, advertisement.addresses);
  return Accepted{std::move(advertisement), match};
}

}  // namespace

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::wrong_ttl:
      return "TTL is not 255";
    case RejectReason::own_packet:
      return "own packet";
    case RejectReason::wrong_destination:
      return "not sent to the multicast group";
    case RejectReason::malformed:
      return "malformed";
    case RejectReason::other_id:
      return "another virtual router";
    case RejectReason::version_mismatch:
      return "other VRRP version";
    case RejectReason::authentication_mismatch:
      return "other authentication";
    case RejectReason::interval_mismatch:
      return "other advertisement interval";
  }
  return "?";
}

std::expected<Accepted, RejectReason> receive(const Settings& settings, const RouterSettings& router,
                                              const std::optional<IpAddress>& own_address,
                                              const ReceivedPacket& packet, RouterCounters& counters) {
  ++counters.received;
  auto accepted = check(settings, router, own_address, packet, counters);
  if (!accepted) {
    ++counters[accepted.error()];
    return accepted;
  }
  ++counters.accepted;
  if (accepted->advertisement.priority == kPriorityRelease) ++counters.priority_zero_received;
  if (accepted->addresses != AddressMatch::same) ++counters.address_mismatch;
  return accepted;
}

}  // namespace ftfw::vrrp
