// The kernel's table over a netlink socket of its own, a datagram of the dump (32 KiB, about 100 entries) a
// piece. Between two pieces the kernel holds nothing but a reference to the entry where it stopped.
#pragma once

#include "appliance/base/netlink_socket.hpp"
#include "appliance/flows/source.hpp"

namespace ftfw {

Result<std::unique_ptr<FlowSource>> open_kernel_flows(FlowKind kind);

}  // namespace ftfw
