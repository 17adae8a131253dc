// The typed policy of the configuration becomes a ruleset. Pure: the same configuration and capabilities give
// the same ruleset on both nodes and at every start, so a digest of its listing tells whether a table that
// stands in the kernel is the one that is meant. Which rule comes where, and why: README.md.
#pragma once

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

// What the kernel can do that not every kernel can (linux/loader.hpp asks it).
struct Capabilities {
  bool flowtables = true;
};

inline constexpr const char* kFilterTable = "ftfw";
inline constexpr const char* kNatTable = "nat";

// Table inet ftfw always, table inet nat if there is a source NAT. A flowtable of mode "auto" that the kernel
// lacks is left out, and with it the whole rule that adds to it (without its `flow add` the rule would count
// every packet); of mode "require" it stays in, so that the kernel's refusal names its line. Counters always
// stay.
Ruleset build_ruleset(const config::Config& config, const Capabilities& capabilities);

}  // namespace ftfw::firewall
