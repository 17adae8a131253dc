// The mark by which we know our own tables: who made them, of which kind they are, a digest of the text they
// were made with, and which run of the appliance made them, kept in the userdata of the table. The kernel
// cannot change it later, so it says nothing of what was changed in the table since: only the run that made
// it knows that. Its type is one that nft does not know and therefore does not
// print: a comment would show in `nft list ruleset`.
#pragma once

#include <cstdint>
#include <optional>

#include "appliance/base/bytes.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall::linux_nft {

struct Mark {
  TableKind kind = TableKind::filter;
  std::uint64_t digest = 0;  // Table::digest
  std::uint64_t author = 0;  // the run; 0: of a version that did not say
  bool operator==(const Mark&) const = default;
};

Mark mark_of(const Table& table, std::uint64_t author);

ByteVector encode_mark(const Mark& mark);
// Nothing: not a table of ours.
std::optional<Mark> decode_mark(ByteSpan userdata);

}  // namespace ftfw::firewall::linux_nft
