// One conntrack entry as far as the kernel lets it be carried (net/netfilter/nf_conntrack_netlink.c). Fields
// that an event did not carry are absent, so merging two observations of one entry keeps what is known.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sync/tuple.hpp"

namespace ftfw::sync {

// enum ip_conntrack_status, the bits this program looks at.
namespace status {
inline constexpr std::uint32_t kExpected = 1U << 0;
inline constexpr std::uint32_t kSeenReply = 1U << 1;
inline constexpr std::uint32_t kAssured = 1U << 2;
inline constexpr std::uint32_t kConfirmed = 1U << 3;
inline constexpr std::uint32_t kSourceNat = 1U << 4;
inline constexpr std::uint32_t kDestinationNat = 1U << 5;
inline constexpr std::uint32_t kSequenceAdjust = 1U << 6;
inline constexpr std::uint32_t kSourceNatDone = 1U << 7;
inline constexpr std::uint32_t kDestinationNatDone = 1U << 8;
inline constexpr std::uint32_t kDying = 1U << 9;
inline constexpr std::uint32_t kFixedTimeout = 1U << 10;
inline constexpr std::uint32_t kHelper = 1U << 13;
inline constexpr std::uint32_t kOffload = 1U << 14;
inline constexpr std::uint32_t kHardwareOffload = 1U << 15;
// What travels: the rest is the receiving kernel's own business.
inline constexpr std::uint32_t kCarried =
    kSeenReply | kAssured | kConfirmed | kSourceNat | kDestinationNat | kExpected | kHelper;
}  // namespace status

// enum tcp_conntrack.
enum class TcpState : std::uint8_t {
  none,
  syn_sent,
  syn_recv,
  established,
  fin_wait,
  close_wait,
  last_ack,
  time_wait,
  close,
  syn_sent2
};

struct TcpInfo {
  TcpState state = TcpState::none;  // none, in an update: it, the scales and the flags as the kernel has them
  std::uint8_t window_scale_original = 0;
  std::uint8_t window_scale_reply = 0;
  // IP_CT_TCP_FLAG_*; only WINDOW_SCALE (0x01) | SACK_PERM (0x02) ever travel.
  std::uint8_t flags_original = 0;
  std::uint8_t flags_reply = 0;
  bool operator==(const TcpInfo&) const = default;
};

struct SctpInfo {
  std::uint8_t state = 0;
  std::uint32_t tag_original = 0;
  std::uint32_t tag_reply = 0;
  bool operator==(const SctpInfo&) const = default;
};

struct DccpInfo {
  std::uint8_t state = 0;
  std::uint8_t role = 0;
  std::uint64_t handshake_sequence = 0;
  bool operator==(const DccpInfo&) const = default;
};

// struct nf_ct_seqadj, per direction.
struct SequenceAdjustment {
  std::uint32_t position = 0;
  std::uint32_t offset_before = 0;
  std::uint32_t offset_after = 0;
  bool operator==(const SequenceAdjustment&) const = default;
};

struct Synproxy {
  std::uint32_t initial_sequence = 0;
  std::uint32_t initial_timestamp = 0;
  std::uint32_t timestamp_offset = 0;
  bool operator==(const Synproxy&) const = default;
};

struct ConntrackEntry {
  EntryKey key;
  // As the kernel reports it, translated by NAT: what differs from key.original.inverse() is the translation.
  Tuple reply;
  std::optional<std::uint32_t> status;     // raw IPS_* bits
  std::optional<std::uint32_t> timeout_s;  // seconds left; absent for an offloaded flow
  std::optional<std::uint32_t> mark;
  std::optional<TcpInfo> tcp;
  std::optional<SctpInfo> sctp;
  std::optional<DccpInfo> dccp;
  std::optional<std::array<SequenceAdjustment, 2>> sequence_adjustment;  // original, reply
  std::optional<Synproxy> synproxy;
  std::vector<std::uint8_t> labels;  // the kernel's bytes; empty: none carried
  std::string helper;                // empty: none carried
  std::optional<Tuple> master;       // original tuple of the master conntrack

  bool operator==(const ConntrackEntry&) const = default;

  // The entry's reply tuple is not the plain inverse: an address or port is translated.
  bool source_translated() const;       // reply.destination differs from original.source
  bool destination_translated() const;  // reply.source differs from original.destination
  // Enough is known to create it in another kernel: status, and the protocol's state where it has one.
  bool is_complete() const;
};

// What `newer` says, completed by what only `older` knows. Both name the same entry.
ConntrackEntry merge(const ConntrackEntry& older, ConntrackEntry newer);

}  // namespace ftfw::sync
