// What the replication engine is told once, and the normal timeouts it settles parked entries to. Values
// only. Defaults of the timeouts: net/netfilter/nf_conntrack_proto_*.c; the appliance overrides them with the
// sysctls.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/time.hpp"
#include "sync/conntrack_entry.hpp"

namespace ftfw::sync {

// Seconds an entry of a state lives without traffic.
struct NormalTimeouts {
  // By TcpState: none, syn_sent, syn_recv, established, fin_wait, close_wait, last_ack, time_wait, close,
  // syn_sent2.
  std::array<std::uint32_t, 10> tcp{120, 120, 60, 432'000, 120, 60, 30, 120, 10, 120};
  // By enum sctp_conntrack: none, closed, cookie_wait, cookie_echoed, established, shutdown_sent,
  // shutdown_received, shutdown_ack_sent, heartbeat_sent, heartbeat_acked.
  std::array<std::uint32_t, 10> sctp{10, 10, 3, 3, 210, 3, 3, 3, 30, 210};
  // By enum ct_dccp_states: none, request, respond, part_open, open, close_request, closing, time_wait.
  std::array<std::uint32_t, 8> dccp{240, 240, 480, 480, 43'200, 64, 64, 240};
  std::uint32_t udp = 30;
  std::uint32_t udp_stream = 120;
  std::uint32_t gre = 30;
  std::uint32_t gre_stream = 180;
  std::uint32_t icmp = 30;
  std::uint32_t generic = 600;
};

// What the kernel would give this entry at its next packet.
std::uint32_t normal_timeout_s(const NormalTimeouts& timeouts, const ConntrackEntry& entry);

struct Settings {
  std::string node;                     // our name; a hello that carries it is a reflection
  std::string peer;                     // the only node that is listened to
  std::vector<std::uint8_t> protocols;  // IPPROTO_* to replicate; empty: all
  // Own and virtual addresses of both nodes, those of the dedicated link included: their flows are local.
  std::vector<IpAddress> local_addresses;
  bool expectations = true;
  Duration parked_timeout = 24h;
  Duration compare_interval = 60s;
  // A compare of an undisturbed pair goes no faster than this. A full send that the peer waits for is not
  // paced.
  std::uint32_t compare_entries_per_second = 20'000;
  NormalTimeouts normal_timeouts;
};

}  // namespace ftfw::sync
