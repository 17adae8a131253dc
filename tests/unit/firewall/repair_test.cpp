// What others do to our tables: who is told, and that the machine is again what it was, in every stance.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "appliance/base/clock.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/linux/watch.hpp"
#include "firewall/listing.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

constexpr const char* kPolicy = R"(
[[firewall.group]]
name = "hosts"
type = "hosts"
elements = ["192.0.2.1", "192.0.2.3", "192.0.2.9"]
[[firewall.group]]
name = "nets"
type = "networks"
elements = ["198.51.100.0/25", "203.0.113.7"]
[[firewall.group]]
name = "web"
type = "ports"
elements = [80, "8000-8080"]
[[firewall.counter]]
name = "denied"
[[firewall.deny]]
source = ["@hosts", "@nets"]
counter = "denied"
[[firewall.allow]]
protocol = "tcp"
ports = "@web"
[[firewall.allow]]
protocol = "udp"
ports = [53, 123]
[[firewall.snat]]
out = "eth0"
source = "192.168.2.0/24"
to = "192.168.0.100"
)";

struct Watched {
  config::Config config = test::config_of(kPolicy);
  Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  Loader loader = *Loader::open(build_guard(config));
  RulesetWatch watch = *RulesetWatch::open(loader.port_id());

  void take(Stance stance) {
    REQUIRE(loader.close());
    REQUIRE(loader.stand_by(ruleset));
    if (stance != Stance::standby) REQUIRE(loader.activate(ruleset, stance == Stance::shielded));
  }

  // Another program's command, and what the watch says of it.
  ForeignCommits after(const std::string& command) {
    test::run(command);
    pollfd waiting{.fd = watch.fd(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&waiting, 1, 10'000) == 1);
    return watch.read().value();
  }

  LoadResult repair(const ForeignCommits& commits, Stance stance) {
    for (const ForeignCommit& commit : commits.commits) loader.distrust(commit, ruleset);
    return loader.restore(ruleset, stance);
  }
};

// Table by table, so that their order does not matter: a replaced one is listed last.
std::string listing() {
  std::string text;
  for (const char* name : {"ftfw_guard", "ftfw", "nat"})
    text += test::run(std::string("nft list table inet ") + name + " 2>/dev/null || true");
  return text;
}

struct Deed {
  const char* command;
  bool in_place;      // repaired without replacing the table
  bool shows = true;  // in the listing
};

constexpr Deed kDeeds[] = {
    {"nft flush ruleset", false},
    {"nft delete table inet ftfw", false},
    {"nft flush table inet ftfw", true},
    {"nft flush chain inet ftfw forward", true},
    {"nft delete rule inet ftfw forward handle $(nft -a list chain inet ftfw forward | "
     "sed -n 's/.*udp dport.*handle //p')",
     true},
    {"nft add rule inet ftfw forward accept", true},
    {"nft insert rule inet ftfw forward tcp dport { 1, 2 } accept", true},
    {"nft add chain inet ftfw forward '{ policy accept; }'", true},
    {"nft add chain inet ftfw mine; nft add rule inet ftfw mine accept; nft insert rule inet ftfw forward "
     "jump "
     "mine",
     true},
    {"nft add chain inet ftfw early '{ type filter hook prerouting priority -400; policy accept; }'", true},
    {"nft flush chain inet ftfw forward; nft delete chain inet ftfw forward", true},
    {"nft add table inet ftfw '{ flags dormant; }'; nft add rule inet ftfw forward accept", false},
    {"nft delete element inet ftfw hosts_v4 '{ 192.0.2.3 }'", true},
    {"nft add element inet ftfw hosts_v4 '{ 192.0.2.77, 192.0.2.78 }'", true},
    {"nft flush set inet ftfw hosts_v4", true},
    {"nft delete element inet ftfw nets_v4 '{ 198.51.100.0/25 }'", true},
    {"nft add element inet ftfw nets_v4 '{ 0.0.0.0/8, 255.255.255.255 }'", true},
    {"nft flush set inet ftfw nets_v4", true},
    {"nft delete element inet ftfw web '{ 80 }'; nft add element inet ftfw web '{ 65535 }'", true},
    {"nft add set inet ftfw more '{ type ipv4_addr; }'", false},
    {"nft add counter inet ftfw more", false},
    // A saved ruleset that is read back: its tables have our names and are not ours.
    {"nft list ruleset > /tmp/ftfw-repair-test.nft; nft flush ruleset; nft -f /tmp/ftfw-repair-test.nft; "
     "rm /tmp/ftfw-repair-test.nft",
     false, false},
};

void check_deeds(Stance stance, const std::vector<Deed>& deeds) {
  for (const Deed& deed : deeds) {
    CAPTURE(std::string(deed.command));
    if (!test::enter_fresh_namespace()) return;
    Watched machine;
    machine.take(stance);
    const std::string before = listing();
    const ForeignCommits commits = machine.after(deed.command);
    REQUIRE_FALSE(commits.commits.empty());
    CHECK_FALSE(commits.lost);
    CHECK(commits.commits.front().program == "nft");
    CHECK_FALSE(machine.loader.ours(commits.commits.front(), machine.ruleset).empty());
    if (deed.shows) CHECK(listing() != before);
    const LoadResult repaired = machine.repair(commits, stance);
    INFO((repaired ? "" : repaired.error().front().object + ": " + repaired.error().front().text));
    REQUIRE(repaired);
    CHECK(listing() == before);
    CHECK_FALSE(machine.loader.in_doubt());
    if (deed.in_place) CHECK_FALSE(repaired->full_load);
    // And it knows what it has: nothing is left to do.
    const std::uint32_t genid = machine.loader.read_back()->genid;
    REQUIRE(machine.loader.restore(machine.ruleset, stance));
    CHECK(machine.loader.read_back()->genid == genid);
  }
}

}  // namespace

TEST_CASE("what others do to an active firewall is undone") {
  check_deeds(Stance::active, {std::begin(kDeeds), std::end(kDeeds)});
  check_deeds(Stance::active, {{"nft delete table inet nat", false},
                               {"nft flush chain inet nat postrouting", true},
                               {"nft add table inet ftfw '{ flags dormant; }'", true}});
}

TEST_CASE("what others do to a standby is undone, and the guard with it") {
  check_deeds(Stance::standby, {std::begin(kDeeds), std::end(kDeeds) - 1});
  check_deeds(Stance::standby, {{"nft delete table inet ftfw_guard", true},
                                {"nft flush chain inet ftfw_guard guard", true},
                                {"nft insert rule inet ftfw_guard guard accept", true},
                                {"nft add chain inet ftfw_guard guard '{ policy accept; }'", true},
                                {"nft add table inet ftfw_guard '{ flags dormant; }'", true}});
}

TEST_CASE("what others do to the shield is undone") {
  check_deeds(Stance::shielded, {{"nft flush ruleset", false},
                                 {"nft delete table inet ftfw_guard", true},
                                 {"nft flush chain inet ftfw_guard shield", true}});
}

TEST_CASE("the guard of a flushed standby is there before anything else") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::standby);
  const ForeignCommits commits = machine.after("nft flush ruleset");
  // A ruleset that cannot be loaded: the guard comes back all the same.
  Ruleset broken = machine.ruleset;
  broken.front().helpers.push_back({.name = "none", .type = "nonesuch", .where = {7, 1}});
  for (const ForeignCommit& commit : commits.commits) machine.loader.distrust(commit, broken);
  const LoadResult refused = machine.loader.restore(broken, Stance::standby);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().front().where.line == 7);
  CHECK(machine.loader.read_back()->guard);
  CHECK(machine.loader.in_doubt());
}

TEST_CASE("a primary whose rules cannot be loaded again forwards nothing") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::active);
  const ForeignCommits commits = machine.after("nft flush ruleset");
  Ruleset broken = machine.ruleset;
  broken.front().helpers.push_back({.name = "none", .type = "nonesuch", .where = {7, 1}});
  for (const ForeignCommit& commit : commits.commits) machine.loader.distrust(commit, broken);
  REQUIRE_FALSE(machine.loader.restore(broken, Stance::active));
  CHECK(machine.loader.read_back()->guard);
  REQUIRE(machine.loader.restore(machine.ruleset, Stance::active));
  CHECK_FALSE(machine.loader.read_back()->guard);
}

TEST_CASE("our own commits are not told, and those that concern others are not ours") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::active);
  REQUIRE(machine.loader.sleep());
  CHECK(machine.watch.read()->commits.empty());
  const ForeignCommits commits =
      machine.after("nft add table inet other; nft add table ip ftfw; nft add chain ip ftfw x");
  REQUIRE_FALSE(commits.commits.empty());
  for (const ForeignCommit& commit : commits.commits)
    CHECK(machine.loader.ours(commit, machine.ruleset).empty());
}

TEST_CASE("a change that a step has overtaken is no doubt any more") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::standby);
  const ForeignCommits commits = machine.after("nft delete table inet ftfw");
  REQUIRE(machine.loader.activate(machine.ruleset, false));
  for (const ForeignCommit& commit : commits.commits) machine.loader.distrust(commit, machine.ruleset);
  CHECK_FALSE(machine.loader.in_doubt());
}

TEST_CASE("a table that others changed is loaded anew by an activation that comes before the repair") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::active);
  const std::string before = listing();
  REQUIRE(machine.loader.sleep());
  for (const ForeignCommit& commit : machine.after("nft flush chain inet ftfw forward").commits)
    machine.loader.distrust(commit, machine.ruleset);
  const LoadResult active = machine.loader.activate(machine.ruleset, false);
  REQUIRE(active);
  CHECK(active->full_load);
  CHECK(listing() == before);
}

TEST_CASE("what is repaired takes milliseconds") {
  if (!test::enter_fresh_namespace()) return;
  Watched machine;
  machine.take(Stance::active);
  for (const char* command : {"nft flush ruleset", "nft flush chain inet ftfw forward",
                              "nft delete element inet ftfw hosts_v4 '{ 192.0.2.3 }'"}) {
    const ForeignCommits commits = machine.after(command);
    const Instant start = monotonic_now();
    REQUIRE(machine.repair(commits, Stance::active));
    MESSAGE(fmt::format("{}: repaired in {} us", command, (monotonic_now() - start) / 1us));
  }
}
