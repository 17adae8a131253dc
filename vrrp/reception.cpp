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

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

// A multicast leg takes what was sent to its group, a unicast leg what was sent to itself.
bool is_for_us(const RouterSettings& router, const std::optional<IpAddress>& own_address,
               const IpAddress& destination) {
  return router.unicast.empty() ? destination == multicast_group(router.family())
                                : destination == own_address;
}

bool may_speak(const RouterSettings& router, const IpAddress& source) {
  if (!router.unicast.empty() && !contains(router.unicast, source)) return false;
  return router.allowed_sources.empty() || contains(router.allowed_sources, source);
}

void count_checksum(ChecksumForm form, RouterCounters& counters) {
  switch (form) {
    case ChecksumForm::message_only:
      ++counters.checksum_message_only;
      break;
    case ChecksumForm::pseudo_header:
      ++counters.checksum_pseudo_header;
      break;
    case ChecksumForm::pseudo_header_of_group:
      ++counters.checksum_pseudo_header_of_group;
      break;
  }
}

// Where it was sent and by whom are judged after the id: another virtual router on the same interface may
// well speak unicast, or with other peers.
std::expected<Accepted, Rejected> check(const Settings& settings, const RouterSettings& router,
                                        const std::optional<IpAddress>& own_address,
                                        const ReceivedPacket& packet, RouterCounters& counters) {
  const auto reject = [](RejectReason reason) { return std::unexpected(Rejected{reason}); };
  if (packet.ttl != kTtl) return reject(RejectReason::wrong_ttl);
  if (own_address && packet.source == *own_address) return reject(RejectReason::own_packet);
  auto decoded = decode(packet.payload, packet.source, packet.destination);
  if (!decoded) return std::unexpected(Rejected{RejectReason::malformed, decoded.error()});
  Advertisement& advertisement = decoded->advertisement;
  if (advertisement.id != router.id) return reject(RejectReason::other_id);
  if (!is_for_us(router, own_address, packet.destination)) return reject(RejectReason::wrong_destination);
  if (!packet.source.is_ipv4() && !packet.source.is_link_local())
    return reject(RejectReason::source_not_link_local);
  if (!may_speak(router, packet.source)) return reject(RejectReason::source_not_allowed);
  if (advertisement.version != version_of(settings, router)) return reject(RejectReason::version_mismatch);
  if (advertisement.version == 2) {
    if (!same_authentication(settings.pass, advertisement.pass))
      return reject(RejectReason::authentication_mismatch);
    if (advertisement.interval != settings.advertisement_interval)
      return reject(RejectReason::interval_mismatch);
  } else {
    count_checksum(decoded->checksum, counters);
  }
  const AddressMatch match = compare(router.addresses, advertisement.addresses);
  return Accepted{std::move(advertisement), match};
}

}  // namespace

std::string to_string(const Rejected& rejected) {
  std::string text(to_string(rejected.reason));
  if (rejected.error) text.append(": ").append(to_string(*rejected.error));
  return text;
}

std::expected<Accepted, Rejected> receive(const Settings& settings, const RouterSettings& router,
                                          const std::optional<IpAddress>& own_address,
                                          const ReceivedPacket& packet, RouterCounters& counters) {
  ++counters.received;
  auto accepted = check(settings, router, own_address, packet, counters);
  if (!accepted) {
    const Rejected& rejected = accepted.error();
    ++counters[rejected.reason];
    if (rejected.error) ++counters[*rejected.error];
    return accepted;
  }
  ++counters.accepted;
  if (accepted->advertisement.priority == kPriorityRelease) ++counters.priority_zero_received;
  if (accepted->addresses != AddressMatch::same) ++counters.address_mismatch;
  return accepted;
}

}  // namespace ftfw::vrrp
