// The reference configuration as typed values, and one rule of it at a time: what the firewall tests start
// from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall::test {

// Parts of a rule as the file would have them: one interface; ports; addresses, networks, ranges and
// "@group".
std::vector<config::NamedInterface> from(const std::string& interface);
config::PortSet ports(const std::vector<std::uint16_t>& numbers);
config::AddressSet addresses(const std::vector<std::string>& texts);

// topology.md's pair; the locations are those of the reference file's sections, roughly: each is unique.
config::Config reference_config();

// The rules of chain inet ftfw forward for a firewall with this one allow, without its first and last lines.
config::Config config_with_rule(config::PolicyRule rule);

// All rules of one chain as nft text, one line each.
std::string rules_of(const Ruleset& ruleset, const std::string& table, const std::string& chain);

// A configuration that uses every construct of the policy that this kernel has.
config::Config everything_config();

std::string read_file(const std::string& path);

}  // namespace ftfw::firewall::test
