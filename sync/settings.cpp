#include "sync/settings.hpp"

#include <netinet/in.h>

namespace ftfw::sync {
namespace {

template <std::size_t N>
std::uint32_t by_state(const std::array<std::uint32_t, N>& table, std::size_t state) {
  return state < N ? table[state] : table[0];
}

}  // namespace

std::uint32_t normal_timeout_s(const NormalTimeouts& timeouts, const ConntrackEntry& entry) {
  const bool stream = (entry.status.value_or(0) & status::kAssured) != 0;
  switch (entry.key.original.protocol) {
    case IPPROTO_TCP:
      return by_state(timeouts.tcp,
                      static_cast<std::size_t>(entry.tcp ? entry.tcp->state : TcpState::established));
    case IPPROTO_SCTP:
      return by_state(timeouts.sctp, entry.sctp ? entry.sctp->state : 4U);
    case IPPROTO_DCCP:
      return by_state(timeouts.dccp, entry.dccp ? entry.dccp->state : 4U);
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
      return stream ? timeouts.udp_stream : timeouts.udp;
    case IPPROTO_GRE:
      return stream ? timeouts.gre_stream : timeouts.gre;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return timeouts.icmp;
    default:
      return timeouts.generic;
  }
}

}  // namespace ftfw::sync
