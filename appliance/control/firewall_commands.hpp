// What can be asked about the rules: which one decides about a packet. The policy is the one in force; routes
// are asked of the kernel by a netlink socket of the request's own. Thread: control.
#pragma once

#include "appliance/control/command.hpp"
#include "appliance/policy_book.hpp"
#include "appliance/status.hpp"

namespace ftfw {

ControlCommand explain_command(const PolicyBook& policy, SharedStatus& status);

}  // namespace ftfw
