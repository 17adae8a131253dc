// What a policy would do to the pair itself and to who administers it, on this machine: the guards of
// --check, of the start and of a reload. Reads sockets; the judgement is the firewall's (own_traffic,
// ssh_access).
#pragma once

#include "appliance/machine.hpp"
#include "config/diagnostic.hpp"
#include "config/model.hpp"

namespace ftfw {

// Errors and warnings, each at the line of the rule to blame.
void check_policy(const config::Config& config, const Machine& machine, config::DiagnosticList& list);

}  // namespace ftfw
