// How our virtual addresses are told from everybody else's: the kernel keeps a protocol number with each
// address (IFA_PROTO, since Linux 5.18).
#pragma once

#include <cstdint>

namespace ftfw::vrrp {

// Free in the kernel's own numbers (if_addr.h: 1 to 3), in rtnetlink's route protocols, which keepalived (18)
// and routing daemons (11 to 192) reuse for addresses, and in iproute2's rt_protos; high, where nobody else
// counts up.
inline constexpr std::uint8_t kAddressProtocol = 0xF7;

}  // namespace ftfw::vrrp
