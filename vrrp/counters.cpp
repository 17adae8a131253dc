#include "vrrp/counters.hpp"

namespace ftfw::vrrp {

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::wrong_ttl:
      return "TTL is not 255";
    case RejectReason::own_packet:
      return "own packet";
    case RejectReason::malformed:
      return "malformed";
    case RejectReason::other_id:
      return "another virtual router";
    case RejectReason::wrong_destination:
      return "wrong destination";
    case RejectReason::source_not_link_local:
      return "source is not link-local";
    case RejectReason::source_not_allowed:
      return "source is not allowed";
    case RejectReason::version_mismatch:
      return "other VRRP version";
    case RejectReason::authentication_mismatch:
      return "other authentication";
    case RejectReason::interval_mismatch:
      return "other advertisement interval";
  }
  return "?";
}

std::vector<std::pair<std::string_view, std::uint64_t>> named_counters(const RouterCounters& counters) {
  std::vector<std::pair<std::string_view, std::uint64_t>> named{
      {"sent", counters.sent},
      {"received", counters.received},
      {"priority 0 sent", counters.priority_zero_sent},
      {"answers deferred", counters.answers_deferred},
      {"accepted", counters.accepted},
      {"priority 0 received", counters.priority_zero_received},
      {"lower priority received", counters.lower_priority_received},
      {"other address list", counters.address_mismatch},
      {"checksum of the message only", counters.checksum_message_only},
      {"checksum with pseudo-header", counters.checksum_pseudo_header},
      {"checksum with pseudo-header of the group", counters.checksum_pseudo_header_of_group},
  };
  for (std::size_t i = 0; i < kRejectReasonCount; ++i) {
    named.emplace_back(to_string(static_cast<RejectReason>(i)), counters.rejected[i]);
  }
  for (std::size_t i = 0; i < kDecodeErrorCount; ++i) {
    named.emplace_back(to_string(static_cast<DecodeError>(i)), counters.malformed[i]);
  }
  return named;
}

}  // namespace ftfw::vrrp
