// Groups of 100,000 elements, and the table of the firewall itself, through the steps of the loader.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "appliance/base/clock.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/listing.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

constexpr std::size_t kElements = 100'000;

IpAddress nth(std::size_t n) {
  return IpAddress::ipv4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                          static_cast<std::uint8_t>(n)});
}

// No two touch.
config::Config config_with_group(config::GroupType type, std::size_t elements = kElements) {
  config::Config config = test::config_of("[[firewall.deny]]\nsource = \"192.0.2.1\"\n");
  config::Group group{.name = "many", .type = type, .where = {50, 1}};
  for (std::size_t i = 0; i < elements; ++i) {
    const IpAddress first = nth(4 * i);
    group.addresses.push_back({first, type == config::GroupType::hosts ? first : nth(4 * i + 1)});
  }
  config.firewall.groups.push_back(std::move(group));
  config.firewall.rules.front().match.source = {.groups = {{"many", {}}}};
  return config;
}

std::int64_t microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

std::size_t count_of(const std::string& text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

void load_and_wake(config::GroupType type, std::string_view noun) {
  const config::Config config = config_with_group(type);
  Instant start = monotonic_now();
  const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  const Duration compiled = monotonic_now() - start;
  Loader loader = *Loader::open(build_guard(config));
  start = monotonic_now();
  const LoadResult loaded = loader.stand_by(ruleset);
  const Duration load = monotonic_now() - start;
  REQUIRE(loaded);
  CHECK(count_of(test::run("nft list set inet ftfw many_v4"), "10.") >= kElements);

  std::vector<std::int64_t> wakes;
  for (int i = 0; i < 50; ++i) {
    start = monotonic_now();
    const LoadResult woken = loader.activate(ruleset, false);
    wakes.push_back(microseconds(monotonic_now() - start));
    REQUIRE(woken);
    CHECK_FALSE(woken->full_load);
    REQUIRE(loader.sleep());
  }
  std::ranges::sort(wakes);
  MESSAGE(fmt::format(
      "a group of 100,000 {}: compiled in {} ms, loaded in {} ms (longest transaction {} ms), wake "
      "median {} us, worst {} us",
      noun, microseconds(compiled) / 1000, microseconds(load) / 1000, microseconds(loaded->longest) / 1000,
      wakes[wakes.size() / 2], wakes.back()));
}

}  // namespace

TEST_CASE("a group of 100,000 hosts is loaded before it is needed, and the wake does not wait for it") {
  if (!test::enter_fresh_namespace()) return;
  load_and_wake(config::GroupType::hosts, "hosts");
}

TEST_CASE("a group of 100,000 networks is loaded before it is needed, and the wake does not wait for it") {
  if (!test::enter_fresh_namespace()) return;
  load_and_wake(config::GroupType::networks, "networks");
}

TEST_CASE("a group that is loaded in pieces is listed by nft as we list it") {
  if (!test::enter_fresh_namespace()) return;
  for (const config::GroupType type : {config::GroupType::hosts, config::GroupType::networks}) {
    const config::Config config = config_with_group(type, 12'001);
    const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
    Loader loader = *Loader::open(build_guard(config));
    REQUIRE(loader.stand_by(ruleset));
    REQUIRE(loader.activate(ruleset, false));
    CHECK((test::nft_list_ruleset() == to_nft(ruleset)));  // too long to print
    REQUIRE(loader.remove_everything());
  }
}

TEST_CASE("a refused ruleset with a large group is refused before anything of it is loaded") {
  if (!test::enter_fresh_namespace()) return;
  config::Config config = config_with_group(config::GroupType::hosts, 12'001);
  Loader loader = *Loader::open(build_guard(config));
  REQUIRE(loader.stand_by(build_ruleset(test::reference_config(), {.flowtables = false})));
  const std::string before = test::nft_list_ruleset();
  config.firewall.helpers.push_back({.name = "none", .type = "nonesuch", .port = 21, .where = {77, 1}});
  const LoadResult refused = loader.stand_by(build_ruleset(config, {.flowtables = false}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().front().where.line == 77);
  CHECK(test::nft_list_ruleset() == before);
}

TEST_CASE("a load that ended between two pieces is not taken for a firewall") {
  if (!test::enter_fresh_namespace()) return;
  const config::Config config = config_with_group(config::GroupType::networks, 12'001);
  const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  int pieces = 0;
  {
    Loader loader = *Loader::open(build_guard(config));
    const LoadResult stopped = loader.stand_by(ruleset, [&pieces] { return ++pieces == 2; });
    REQUIRE(stopped);
    CHECK(stopped->interrupted);
  }
  CHECK(pieces == 2);
  Loader successor = *Loader::open(build_guard(config));
  const LoadResult active = successor.activate(ruleset, false);
  REQUIRE(active);
  CHECK(active->full_load);
  CHECK((test::nft_list_ruleset() == to_nft(ruleset)));
}

TEST_CASE(
    "the table of the firewall itself is awake in every state but absent, and stays while it does not "
    "change") {
  if (!test::enter_fresh_namespace()) return;
  const std::string service = "[[firewall.service]]\nprotocol = \"tcp\"\nports = [22]\n";
  config::Config config =
      test::config_of("[firewall.input]\n" + service + "[[firewall.allow]]\nprotocol = \"tcp\"\n");
  const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  Loader loader = *Loader::open(build_guard(config));
  const auto awake = [&loader] {
    const Installed installed = loader.read_back().value();
    const InstalledTable* table = installed.find("ftfw_input");
    return table != nullptr && !table->dormant;
  };
  REQUIRE(loader.check(ruleset));
  REQUIRE(loader.stand_by(ruleset));
  CHECK(awake());
  const std::string loaded = test::run("nft -a list table inet ftfw_input");
  REQUIRE(loader.activate(ruleset, true));
  REQUIRE(loader.lower_shield());
  REQUIRE(loader.sleep());
  REQUIRE(loader.stand_by(ruleset));
  REQUIRE(loader.close());
  CHECK(awake());
  CHECK(test::run("nft -a list table inet ftfw_input") == loaded);  // the same handles: never replaced
  REQUIRE(loader.stand_by(build_ruleset(test::config_of("[[firewall.allow]]\nprotocol = \"tcp\"\n"), {})));
  CHECK_FALSE(awake());
}
