// A ruleset as nft text, laid out exactly as `nft list ruleset` (1.0.6) prints the same tables: what the operator
// compares, what `--print-ruleset` shows, and what nft -f reads back.
#pragma once

#include <string>

#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

std::string to_nft(const Ruleset& ruleset);
std::string to_nft(const Table& table);
// One line, without indentation.
std::string to_nft(const Rule& rule);

}  // namespace ftfw::firewall
