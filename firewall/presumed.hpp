// What the configuration alone says about the machine around the rules: the virtual addresses are its own, a
// network is where a virtual address of it is, or a route of the group leads; everything else is outside. For
// --check and --explain on any machine; a running daemon asks the kernel instead. Pure.
#pragma once

#include "config/model.hpp"
#include "firewall/packet.hpp"

namespace ftfw::firewall {

// The configuration outlives the result. own: further addresses of this machine (of the node).
Surroundings presumed_surroundings(const config::Config& config, std::vector<IpAddress> own = {});

bool is_virtual_address(const config::Config& config, const IpAddress& address);

}  // namespace ftfw::firewall
