// The kernel's own timeouts by protocol and state, as a value: what an entry gets that stops being a parked
// replica. Read from the kernel by sync/linux/kernel_facts.hpp; the defaults are the kernel's defaults.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>

#include "sync/conntrack_entry.hpp"

namespace ftfw::sync {

// Seconds an entry of a state lives without traffic.
struct NormalTimeouts {
  // By TcpState: none, syn_sent, syn_recv, established, fin_wait, close_wait, last_ack, time_wait, close,
  // syn_sent2.
  std::array<std::uint32_t, 10> tcp{120, 120, 60, 432'000, 120, 60, 30, 120, 10, 120};
  // By enum sctp_conntrack: none, closed, cookie_wait, cookie_echoed, established, shutdown_sent,
  // shutdown_recd, shutdown_ack_sent, heartbeat_sent, heartbeat_acked (older kernels).
  std::array<std::uint32_t, 10> sctp{10, 10, 3, 3, 210, 3, 3, 3, 30, 210};
  // By enum ct_dccp_states: none, request, respond, partopen, open, closereq, closing, timewait.
  std::array<std::uint32_t, 8> dccp{240, 240, 480, 480, 43'200, 64, 64, 240};
  std::uint32_t udp = 30;
  std::uint32_t udp_stream = 120;
  std::uint32_t gre = 30;
  std::uint32_t gre_stream = 180;
  std::uint32_t icmp = 30;
  std::uint32_t icmpv6 = 30;
  std::uint32_t generic = 600;

  // What the kernel would give the entry at its next packet. An entry without its protocol's state (an
  // offloaded one) counts as established; a state that the table does not know as the protocol's first.
  std::uint32_t for_entry(const ConntrackEntry& entry) const {
    const std::uint32_t bits = entry.status.value_or(0);
    switch (entry.key.original.protocol) {
      case IPPROTO_TCP:
        return by_state(tcp, entry.tcp ? static_cast<std::size_t>(entry.tcp->state) : 3);
      case IPPROTO_SCTP:
        return by_state(sctp, entry.sctp ? entry.sctp->state : 4);
      case IPPROTO_DCCP:
        return by_state(dccp, entry.dccp ? entry.dccp->state : 4);
      case IPPROTO_UDP:
      case IPPROTO_UDPLITE:
        return (bits & status::kAssured) != 0 ? udp_stream : udp;
      case IPPROTO_GRE:
        return (bits & status::kSeenReply) != 0 ? gre_stream : gre;
      case IPPROTO_ICMP:
        return icmp;
      case IPPROTO_ICMPV6:
        return icmpv6;
      default:
        return generic;
    }
  }

 private:
  template <std::size_t N>
  static std::uint32_t by_state(const std::array<std::uint32_t, N>& table, std::size_t state) {
    return table[state < N ? state : 0];
  }
};

}  // namespace ftfw::sync
