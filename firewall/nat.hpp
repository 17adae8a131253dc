// Table inet nat: source NAT and masquerading in postrouting, destination NAT and redirects in prerouting, in
// the order of the file. Pure.
#pragma once

#include <optional>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

// Nothing: the configuration translates nothing.
std::optional<Table> nat_table(const config::Firewall& firewall);

// The rule that lets pass what the NAT translates, and by `ct status dnat` nothing else: who sends to the
// inner address directly is judged by the other rules. For a redirect it allows what arrives at this machine.
config::PolicyRule allow_of(const config::DestinationNat& dnat);

}  // namespace ftfw::firewall
