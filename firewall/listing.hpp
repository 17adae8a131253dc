// A ruleset as nft text, laid out exactly as `nft list ruleset` (1.0.6) prints the same tables: what the
// operator compares, what `--print-ruleset` shows, and what nft -f reads back.
#pragma once

#include <cstdint>
#include <string>

#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

std::string to_nft(const Ruleset& ruleset);
std::string to_nft(const Table& table);
// FNV-1a of the listing. It finds a changed configuration and is no defence: who may write our tables may do
// anything.
std::uint64_t digest_of(const Table& table);
// One line, without indentation.
std::string to_nft(const Rule& rule);

}  // namespace ftfw::firewall
