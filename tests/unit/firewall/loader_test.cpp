// The states of the tables and the ways between them, in the real kernel.
#include "firewall/linux/loader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "appliance/base/clock.hpp"
#include "firewall/listing.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

struct Machine {
  config::Config config = test::reference_config();
  Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  Loader loader = *Loader::open(build_guard(config));

  bool is(const char* table, bool dormant) {
    const Installed installed = loader.read_back().value();
    const InstalledTable* found = installed.find(table);
    return found != nullptr && found->mark && found->dormant == dormant;
  }
  bool awake(const char* table) { return is(table, false); }
  bool dormant(const char* table) { return is(table, true); }
  bool absent(const char* table) { return loader.read_back()->find(table) == nullptr; }
  // Table by table: one that was replaced stands behind one that was not.
  bool shows_all_of(const Ruleset& tables) {
    std::size_t bytes = 0;
    for (const Table& table : tables) {
      const std::string text = to_nft(table);
      CHECK(test::nft_list_table(table.name) == text);
      bytes += text.size();
    }
    return test::nft_list_ruleset().size() == bytes;
  }
  bool guard() { return loader.read_back()->guard; }
  bool shield() { return loader.read_back()->shield; }
};

std::string counter_text() {
  return test::run("nft list counter inet ftfw counter_exp");
}

void count_a_packet() {
  // A rule that counts, one packet through it, and the rule is gone again.
  test::run("nft add chain inet ftfw out '{ type filter hook output priority 0; }'");
  test::run("nft add rule inet ftfw out counter name counter_exp");
  test::run("ping -c 1 -W 1 127.0.0.1 || true");
  test::run("nft delete chain inet ftfw out");
}

}  // namespace

TEST_CASE("a machine goes through all its states and each shows what it should") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  CHECK(machine.absent("ftfw"));

  REQUIRE(machine.loader.close());
  CHECK(machine.guard());
  CHECK(machine.absent("ftfw"));

  REQUIRE(machine.loader.stand_by(machine.ruleset));
  CHECK(machine.guard());
  CHECK(machine.dormant("ftfw"));
  CHECK(machine.absent("nat"));

  REQUIRE(machine.loader.activate(machine.ruleset, true));
  CHECK_FALSE(machine.guard());
  CHECK(machine.shield());
  CHECK(machine.awake("ftfw"));
  CHECK(machine.awake("nat"));

  REQUIRE(machine.loader.lower_shield());
  CHECK(machine.absent("ftfw_guard"));
  CHECK(machine.shows_all_of(machine.ruleset));

  REQUIRE(machine.loader.sleep());
  CHECK(machine.guard());
  CHECK_FALSE(machine.shield());
  CHECK(machine.dormant("ftfw"));
  CHECK(machine.awake("nat"));

  REQUIRE(machine.loader.remove_everything());
  CHECK(test::nft_list_ruleset().empty());
}

TEST_CASE("an activation without shield leaves nothing of the guard") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  CHECK(machine.absent("ftfw_guard"));
}

TEST_CASE("a step whose state is reached already does nothing and succeeds") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  const std::uint32_t genid = machine.loader.read_back()->genid;
  CHECK(machine.loader.activate(machine.ruleset, false)->genid == genid);
  CHECK(machine.loader.lower_shield()->genid == genid);
  REQUIRE(machine.loader.sleep());
  CHECK(machine.loader.sleep()->genid == genid + 1);
}

TEST_CASE("sleeping under the shield closes the machine and removes the shield") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, true));
  REQUIRE(machine.loader.sleep());
  CHECK(machine.guard());
  CHECK_FALSE(machine.shield());
  CHECK(machine.dormant("ftfw"));
}

TEST_CASE("lowering the shield of a closed machine does not open it") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.lower_shield());
  CHECK(machine.guard());
}

TEST_CASE("a wake loads nothing, counters survive sleep, wake and a new load") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  count_a_packet();
  const std::string counted = counter_text();
  REQUIRE(counted.find("packets 0") == std::string::npos);
  REQUIRE(machine.loader.sleep());
  const LoadResult woken = machine.loader.activate(machine.ruleset, false);
  REQUIRE(woken);
  CHECK_FALSE(woken->full_load);
  CHECK(counter_text() == counted);
  const LoadResult loaded = machine.loader.stand_by(machine.ruleset);
  REQUIRE(loaded);
  CHECK(loaded->full_load);
  CHECK(counter_text() == counted);
}

TEST_CASE("after a flush by another program the activation loads everything, behind the guard") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  test::run("nft flush ruleset");
  const LoadResult loaded = machine.loader.activate(machine.ruleset, false);
  REQUIRE(loaded);
  CHECK(loaded->full_load);
  CHECK(machine.shows_all_of(machine.ruleset));
}

TEST_CASE("a NAT table that somebody deleted comes back with the next activation") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  REQUIRE(machine.loader.sleep());
  test::run("nft delete table inet nat");
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  CHECK(machine.shows_all_of(machine.ruleset));
}

TEST_CASE("tables that a killed predecessor left awake or dormant are taken over") {
  for (const bool was_active : {true, false}) {
    if (!test::enter_fresh_namespace()) return;
    const pid_t predecessor = ::fork();
    if (predecessor == 0) {
      Machine machine;
      bool done = machine.loader.stand_by(machine.ruleset).has_value();
      if (was_active) done = done && machine.loader.activate(machine.ruleset, true).has_value();
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ::waitpid(predecessor, &status, 0);
    REQUIRE(status == 0);

    Machine machine;
    SUBCASE("closed first, as at every start") {
      REQUIRE(machine.loader.close());
      CHECK(machine.guard());
      CHECK_FALSE(machine.shield());
      CHECK(machine.awake("ftfw") == was_active);
      REQUIRE(machine.loader.stand_by(machine.ruleset));
      CHECK(machine.dormant("ftfw"));
    }
    SUBCASE("activated at once") {}
    REQUIRE(machine.loader.activate(machine.ruleset, false));
    CHECK(machine.shows_all_of(machine.ruleset));
  }
}

TEST_CASE("tables of an older configuration are replaced or removed") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  config::Config newer = test::everything_config();
  newer.firewall.snats.pop_back();

  SUBCASE("by a standby") {
    const Ruleset ruleset = build_ruleset(newer, {});
    REQUIRE(machine.loader.stand_by(ruleset));
    CHECK(test::nft_list_table("nat") == to_nft(ruleset.back()));
    REQUIRE(machine.loader.activate(ruleset, false));
    CHECK(machine.shows_all_of(ruleset));
  }
  SUBCASE("by an activation") {
    const Ruleset ruleset = build_ruleset(newer, {});
    REQUIRE(machine.loader.activate(ruleset, false));
    CHECK(machine.shows_all_of(ruleset));
  }
  SUBCASE("the NAT table of a configuration that has none any more") {
    newer.firewall.snats.clear();
    REQUIRE(machine.loader.stand_by(build_ruleset(newer, {})));
    CHECK(machine.absent("nat"));
  }
}

TEST_CASE("the tables of others are never touched") {
  if (!test::enter_fresh_namespace()) return;
  test::run(
      "nft add table inet filter; nft add chain inet filter input; nft add table ip nat; nft add table ip "
      "ftfw");
  const std::string others = test::nft_list_ruleset();
  Machine machine;
  REQUIRE(machine.loader.close());
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  REQUIRE(machine.loader.activate(machine.ruleset, true));
  REQUIRE(machine.loader.sleep());
  REQUIRE(machine.loader.remove_everything());
  CHECK(test::nft_list_ruleset() == others);
}

TEST_CASE("foreign commits between two steps are noticed and do not disturb") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  test::run("nft add table inet other");
  const LoadResult woken = machine.loader.activate(machine.ruleset, false);
  REQUIRE(woken);
  CHECK_FALSE(woken->full_load);
  CHECK(machine.awake("ftfw"));
}

TEST_CASE("the capabilities are those of this kernel and asking leaves nothing") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  const Result<Capabilities> found = machine.loader.probe();
  REQUIRE(found);
  MESSAGE("flowtables: ", found->flowtables);
  CHECK(test::nft_list_ruleset().empty());
}

TEST_CASE(
    "a ruleset larger than a socket buffer is loaded in one transaction, and its wake does not grow with "
    "it") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  for (std::uint16_t port = 1; port <= 4000; ++port) {
    machine.config.firewall.rules.push_back(
        {.match = {.from = test::from("eth1"), .protocols = {17}, .ports = test::ports({port})},
         .where = {port + 1000U, 1}});
  }
  const Ruleset ruleset = build_ruleset(machine.config, {.flowtables = false});
  const LoadResult loaded = machine.loader.stand_by(ruleset);
  REQUIRE(loaded);
  const LoadResult woken = machine.loader.activate(ruleset, false);
  REQUIRE(woken);
  CHECK_FALSE(woken->full_load);
  CHECK(test::nft_list_table("ftfw") == to_nft(ruleset.front()));
  MESSAGE(
      fmt::format("4,000 rules: load {} us, wake {} us", loaded->in_kernel / 1us, woken->in_kernel / 1us));
  CHECK(woken->in_kernel < loaded->in_kernel);
}

TEST_CASE("a wake takes microseconds") {
  if (!test::enter_fresh_namespace()) return;
  Machine machine;
  REQUIRE(machine.loader.stand_by(machine.ruleset));
  const LoadResult first = machine.loader.activate(machine.ruleset, false);
  REQUIRE(first);
  std::vector<Duration> wakes;
  std::vector<Duration> steps;
  for (int i = 0; i < 50; ++i) {
    REQUIRE(machine.loader.sleep());
    const Instant start = monotonic_now();
    const LoadResult woken = machine.loader.activate(machine.ruleset, i % 2 == 0);
    steps.push_back(monotonic_now() - start);
    REQUIRE(woken);
    wakes.push_back(woken->in_kernel);
  }
  std::ranges::sort(wakes);
  std::ranges::sort(steps);
  MESSAGE(
      fmt::format("in the kernel: first activation (with NAT) {} us, wake median {} us, worst {} us; whole "
                  "step median {} us",
                  first->in_kernel / 1us, wakes.at(25) / 1us, wakes.back() / 1us, steps.at(25) / 1us));
  CHECK(wakes.at(25) < 20ms);
}
