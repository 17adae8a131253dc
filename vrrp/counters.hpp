// What the engine has seen and done since it was made. Written by the engine's thread; copied out for status.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "vrrp/advertisement.hpp"

namespace ftfw::vrrp {

// Why an advertisement of a leg was dropped, in the order of the checks (reception.cpp).
enum class RejectReason : std::uint8_t {
  wrong_ttl,              // not 255: it came through a router
  own_packet,             // from our own address
  malformed,              // RouterCounters::malformed says how
  other_id,               // another virtual router on the same network; nothing is wrong
  wrong_destination,      // not the multicast group; of a unicast leg: not our own address
  source_not_link_local,  // IPv6: RFC 9568 5.1.2.1
  source_not_allowed,     // none of the peers (unicast), or not in `allowed_sources`
  version_mismatch,
  authentication_mismatch,  // version 2: other type or other password
  interval_mismatch,        // version 2: RFC 3768 7.1 MUST
};
inline constexpr std::size_t kRejectReasonCount = 10;
std::string_view to_string(RejectReason reason);

struct RouterCounters {
  std::uint64_t received = 0;  // everything that was handed to on_packet
  std::uint64_t accepted = 0;
  std::array<std::uint64_t, kRejectReasonCount> rejected{};  // by RejectReason
  std::array<std::uint64_t, kDecodeErrorCount> malformed{};  // by DecodeError
  std::uint64_t checksum_message_only = 0;                   // of the accepted of version 3
  std::uint64_t checksum_pseudo_header = 0;
  std::uint64_t checksum_pseudo_header_of_group = 0;
  std::uint64_t priority_zero_received = 0;
  std::uint64_t address_mismatch = 0;         // accepted all the same: a differing address list
  std::uint64_t lower_priority_received = 0;  // as Active: an advertisement that lost against ours
  std::uint64_t sent = 0;                     // packets: a unicast leg sends one to each peer
  std::uint64_t priority_zero_sent = 0;
  std::uint64_t answers_deferred = 0;  // kAnswerSpacing

  std::uint64_t& operator[](RejectReason reason) { return rejected.at(static_cast<std::size_t>(reason)); }
  std::uint64_t operator[](RejectReason reason) const {
    return rejected.at(static_cast<std::size_t>(reason));
  }
  std::uint64_t& operator[](DecodeError error) { return malformed.at(static_cast<std::size_t>(error)); }
  std::uint64_t operator[](DecodeError error) const { return malformed.at(static_cast<std::size_t>(error)); }
};

// Every counter under a name of its own, reject reasons and malformed classes included, always the same ones
// in the same order. The names are constants.
std::vector<std::pair<std::string_view, std::uint64_t>> named_counters(const RouterCounters& counters);

struct Counters {
  std::vector<RouterCounters> routers;
  std::uint64_t became_active = 0;
  std::uint64_t left_active = 0;
  std::uint64_t faults = 0;
  std::uint64_t late_wakeups = 0;
};

}  // namespace ftfw::vrrp
