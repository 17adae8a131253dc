// What the kernel or we refuse: with its line, all of it at once, and nothing changed.
#include <doctest/doctest.h>

#include <cerrno>

#include "firewall/linux/loader.hpp"
#include "firewall/listing.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

Loader open_loader() {
  return *Loader::open(build_guard(test::reference_config()));
}

// Two things that no kernel has, in two sections.
config::Config broken_config() {
  config::Config config = test::reference_config();
  config.firewall.helpers.front().type = "nonesuch";
  config.firewall.snats.front().match.to.front().name = "a-name-longer-than-15-bytes";
  return config;
}

}  // namespace

TEST_CASE("an unknown helper is refused with its line and leaves all as before") {
  if (!test::enter_fresh_namespace()) return;
  Loader loader = open_loader();
  const Ruleset good = build_ruleset(test::reference_config(), {.flowtables = false});
  REQUIRE(loader.stand_by(good));
  const std::string before = test::nft_list_ruleset();
  config::Config config = test::reference_config();
  config.firewall.helpers.front().type = "nonesuch";

  const LoadResult refused = loader.stand_by(build_ruleset(config, {.flowtables = false}));

  REQUIRE_FALSE(refused);
  const Refusal& first = refused.error().front();
  CHECK(first.where == config.firewall.helpers.front().where);
  CHECK(first.code == ENOENT);
  CHECK(first.object == "table inet ftfw, ct helper ftp-std");
  CHECK(first.text.starts_with("No such file or directory"));
  CHECK(test::nft_list_ruleset() == before);
  // And the loader still knows what is there.
  const LoadResult woken = loader.activate(good, false);
  REQUIRE(woken);
  CHECK_FALSE(woken->full_load);
}

TEST_CASE("all refusals of one load are told together, each with its line") {
  if (!test::enter_fresh_namespace()) return;
  Loader loader = open_loader();
  config::Config config = test::reference_config();
  config.firewall.helpers.push_back({.name = "two", .type = "nonesuch-2", .where = {101, 1}});
  config.firewall.helpers.push_back({.name = "three", .type = "nonesuch-3", .port = 1, .where = {102, 1}});
  const auto checked = loader.check(build_ruleset(config, {.flowtables = false}));
  REQUIRE_FALSE(checked);
  std::vector<std::uint32_t> lines;
  for (const Refusal& refusal : checked.error()) lines.push_back(refusal.where.line);
  // The objects, and the rules that refer to them.
  CHECK(lines == std::vector<std::uint32_t>{101, 102, 101, 102});
  CHECK(checked.error().at(2).object ==
        "table inet ftfw, chain prerouting: tcp dport 0 ct state new ct helper set \"two\"");
}

TEST_CASE("what fits into no message is refused before the kernel sees it") {
  if (!test::enter_fresh_namespace()) return;
  Loader loader = open_loader();
  const config::Config config = broken_config();
  const auto checked = loader.check(build_ruleset(config, {.flowtables = false}));
  REQUIRE_FALSE(checked);
  REQUIRE(checked.error().size() == 1);
  CHECK(checked.error().front().where == config.firewall.snats.front().where);
  CHECK(checked.error().front().text == "\"a-name-longer-than-15-bytes\" is longer than 15 bytes");
}

TEST_CASE("a check of a good ruleset succeeds and leaves nothing, also over a machine that is active") {
  if (!test::enter_fresh_namespace()) return;
  Loader loader = open_loader();
  const Ruleset ruleset = build_ruleset(test::everything_config(), {});
  REQUIRE(loader.check(ruleset));
  CHECK(test::nft_list_ruleset().empty());
  REQUIRE(loader.stand_by(ruleset));
  REQUIRE(loader.activate(ruleset, true));
  const std::string before = test::nft_list_ruleset();
  const std::uint32_t genid = loader.read_back()->genid;
  REQUIRE(loader.check(build_ruleset(test::reference_config(), {.flowtables = false})));
  CHECK(loader.read_back()->genid == genid);
  CHECK(test::nft_list_ruleset() == before);
}

TEST_CASE("a required flowtable on a kernel without them is refused with its line") {
  if (!test::enter_fresh_namespace()) return;
  Loader loader = open_loader();
  if (loader.probe()->flowtables) {
    MESSAGE("skipped: this kernel has flowtables");
    return;
  }
  config::Config config = test::reference_config();
  config.firewall.flowtables.front().mode = config::FlowtableMode::require;
  const auto checked = loader.check(build_ruleset(config, {.flowtables = false}));
  REQUIRE_FALSE(checked);
  CHECK(checked.error().front().where == config.firewall.flowtables.front().where);
  CHECK(checked.error().front().object == "table inet ftfw, flowtable flow_exp");
}

TEST_CASE("a table of our name that is not ours is refused and stays as it is") {
  for (const char* name : {"ftfw", "nat", "ftfw_guard"}) {
    CAPTURE(name);
    if (!test::enter_fresh_namespace()) return;
    test::run(std::string("nft add table inet ") + name + " '{ comment \"mine\"; }'");
    const std::string before = test::nft_list_ruleset();
    Loader loader = open_loader();
    const Ruleset ruleset = build_ruleset(test::reference_config(), {.flowtables = false});
    const auto checked = loader.check(ruleset);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().front().code == EEXIST);
    CHECK(checked.error().front().object == std::string("table inet ") + name);
    CHECK_FALSE(loader.stand_by(ruleset));
    CHECK_FALSE(loader.activate(ruleset, false));
    REQUIRE(loader.remove_everything());
    CHECK(test::nft_list_ruleset() == before);
  }
}
