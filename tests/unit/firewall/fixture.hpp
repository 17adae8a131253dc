// The reference configuration as typed values, and one rule of it at a time: what the firewall tests start
// from.
#pragma once

#include <string>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall::test {

// topology.md's pair; the locations are those of the reference file's sections, roughly: each is unique.
config::Config reference_config();

// The rules of chain inet ftfw forward for a firewall with this one allow, without its first and last lines.
config::Config config_with_allow(config::Allow allow);

// All rules of one chain as nft text, one line each.
std::string rules_of(const Ruleset& ruleset, const std::string& table, const std::string& chain);

// A configuration that uses every construct of the policy that this kernel has.
config::Config everything_config();

std::string read_file(const std::string& path);

}  // namespace ftfw::firewall::test
