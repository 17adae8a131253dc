// Which rule decides about a packet, in words: chain, rule, the lines of the configuration that made it, what
// the NAT does; for a primary and for a standby. Pure.
#pragma once

#include <string>
#include <string_view>

#include "appliance/base/result.hpp"
#include "config/model.hpp"
#include "firewall/evaluate.hpp"
#include "firewall/guard.hpp"

namespace ftfw::firewall {

// The policy of one configuration. References outlive the call.
struct ExplainedPolicy {
  const config::Config& config;
  const Ruleset& ruleset;
  const Guard& guard;
  std::string_view file;    // its name, as it is shown
  std::string_view source;  // its text
};

enum class Role : std::uint8_t { unknown, primary, standby };

// The text of parse_packet() (packet_text.hpp). role: the present one. Several lines. Blame::configuration
// for what cannot be parsed, with the place.
Result<std::string> explain(const ExplainedPolicy& policy, const Surroundings& surroundings,
                            std::string_view text, Role role);

// The same tables as a standby has them awake: the guard, NAT, the machine's own protection.
struct StandbyTables {
  Table guard;
  Tables tables;  // `guard` first
};
// Does not move: `tables` points into it.
void fill_standby_tables(StandbyTables& into, const Ruleset& ruleset, const Guard& guard);

}  // namespace ftfw::firewall
