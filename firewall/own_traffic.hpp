// What no policy may take from the pair: advertisements and the datagrams of replication, in both directions,
// on a primary and on a standby. Found by sending such packets, as values, through the ruleset as it will be
// loaded. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/model.hpp"
#include "firewall/evaluate.hpp"
#include "firewall/guard.hpp"

namespace ftfw::firewall {

// An address of this machine, as far as the caller knows it.
struct HeldAddress {
  std::string interface;
  IpPrefix address;
};

// Errors: what would be lost or translated, at the line that does it. Advertisements: from the addresses that
// `unicast`, `allowed_sources` and `held` know; where nothing is known, from the neighbours of the virtual
// address, if all of them are hit.
void check_own_traffic(const config::Config& config, const Ruleset& ruleset, const Guard& guard,
                       const std::vector<HeldAddress>& held, config::DiagnosticList& list);

}  // namespace ftfw::firewall
