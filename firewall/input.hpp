// Table inet ftfw_input: the protection of the firewall itself, on both nodes at all times, so a table of its
// own: the filter table sleeps while a node is backup. Its chain accepts by policy and drops by its last
// rule: the policy of a new chain works before its rules do, and a load must not cost an advertisement. Pure.
#pragma once

#include <optional>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

inline constexpr const char* kInputTable = "ftfw_input";

// Nothing without [firewall.input].
std::optional<Table> input_table(const config::Config& config);

}  // namespace ftfw::firewall
