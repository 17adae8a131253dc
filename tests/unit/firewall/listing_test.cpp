#include "firewall/listing.hpp"

#include <doctest/doctest.h>

using namespace ftfw::firewall;

namespace {

std::string chain_head(Hook hook, std::int32_t priority) {
  const Table table{.name = "t", .chains = {{.name = "c", .base = Base{.hook = hook, .priority = priority}}}};
  const std::string text = to_nft(table);
  const auto start = text.find("priority ");
  return text.substr(start + 9, text.find(';') - start - 9);
}

}  // namespace

TEST_CASE("a priority is named where nft 1.0.6 names it") {
  CHECK(chain_head(Hook::forward, 0) == "filter");
  CHECK(chain_head(Hook::forward, 5) == "filter + 5");
  CHECK(chain_head(Hook::forward, -10) == "filter - 10");
  CHECK(chain_head(Hook::forward, 11) == "11");
  CHECK(chain_head(Hook::prerouting, -310) == "raw - 10");
  CHECK(chain_head(Hook::prerouting, -311) == "-311");
  CHECK(chain_head(Hook::prerouting, -100) == "dstnat");
  CHECK(chain_head(Hook::input, -100) == "-100");
  CHECK(chain_head(Hook::postrouting, 100) == "srcnat");
  CHECK(chain_head(Hook::input, 100) == "100");
  CHECK(chain_head(Hook::output, -150) == "mangle");
  CHECK(chain_head(Hook::input, 50) == "security");
}

TEST_CASE("an empty table is printed as nft prints it") {
  CHECK(to_nft(Table{.name = "t"}) == "table inet t {\n}\n");
}
