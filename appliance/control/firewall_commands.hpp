// What can be asked about the rules: which one decides about a packet, what they have counted. The policy is
// the one in force; routes and counters are read by netlink sockets of the request's own. Thread: control.
#pragma once

#include "appliance/control/command.hpp"
#include "appliance/policy_book.hpp"
#include "appliance/status.hpp"

namespace ftfw {

ControlCommand explain_command(const PolicyBook& policy, SharedStatus& status);
ControlCommand rules_command(const PolicyBook& policy);

}  // namespace ftfw
