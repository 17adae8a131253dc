#include "firewall/linux/mark.hpp"

#include <doctest/doctest.h>

using namespace ftfw;
using namespace ftfw::firewall;
using namespace ftfw::firewall::linux_nft;

TEST_CASE("a mark is read back as it was written, for every kind of table") {
  for (const TableKind kind : {TableKind::filter, TableKind::nat, TableKind::guard}) {
    const Mark mark{.kind = kind, .digest = 0x0123456789abcdef, .author = 0xfedcba9876543210};
    CHECK(decode_mark(encode_mark(mark)) == mark);
  }
}

TEST_CASE("a mark is found behind other userdata") {
  ByteVector userdata{0, 3, 'h', 'i', 0};
  const ByteVector mark = encode_mark({.kind = TableKind::nat, .digest = 7});
  userdata.insert(userdata.end(), mark.begin(), mark.end());
  CHECK(decode_mark(userdata) == Mark{.kind = TableKind::nat, .digest = 7});
}

TEST_CASE("what is not a mark is the table of somebody else") {
  CHECK_FALSE(decode_mark({}));
  CHECK_FALSE(decode_mark(ByteVector{0, 3, 'h', 'i', 0}));
  CHECK_FALSE(decode_mark(ByteVector{0xf7, 2, 'h', 'i'}));
  ByteVector cut = encode_mark({});
  cut.pop_back();
  CHECK_FALSE(decode_mark(cut));
  ByteVector wrong = encode_mark({});
  wrong.back() = 'x';
  CHECK_FALSE(decode_mark(wrong));
  CHECK_FALSE(decode_mark(ByteVector{0xf7}));
}
