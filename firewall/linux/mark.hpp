// The mark by which we know our own tables: who made them, of which kind they are, and a digest of their
// text, kept in the userdata of the table. Its type is one that nft does not know and therefore does not
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
  bool operator==(const Mark&) const = default;
};

Mark mark_of(const Table& table);

ByteVector encode_mark(const Mark& mark);
// Nothing: not a table of ours.
std::optional<Mark> decode_mark(ByteSpan userdata);

}  // namespace ftfw::firewall::linux_nft
