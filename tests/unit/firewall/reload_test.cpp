// From one ruleset to another in the real kernel: what does not change is not touched, a refusal changes
// nothing, in every stance.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
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

std::shared_ptr<const Ruleset> ruleset_of(const config::Config& config) {
  return std::make_shared<const Ruleset>(build_ruleset(config, {.flowtables = false}));
}
std::shared_ptr<const Ruleset> ruleset_of(const std::string& policy) {
  return ruleset_of(test::config_of(policy));
}

std::string allow(int port) {
  return fmt::format("[[firewall.allow]]\nprotocol = \"tcp\"\nports = [{}]\n", port);
}

// Objects and chains: what came later is listed later, which has no meaning.
std::vector<std::string> blocks_of(const std::string& table) {
  const std::size_t begin = table.find('\n') + 1;
  const std::string inner = table.substr(begin, table.rfind('}') - begin) + "\n";
  std::vector<std::string> blocks;
  for (std::size_t at = 0, end = 0; (end = inner.find("\n\n", at)) != std::string::npos; at = end + 2)
    blocks.push_back(inner.substr(at, end - at));
  std::ranges::sort(blocks);
  return blocks;
}

struct Reloadable {
  std::shared_ptr<const Ruleset> now;
  Stance stance;
  Loader loader;

  Reloadable(std::shared_ptr<const Ruleset> ruleset, Stance to)
      : now(std::move(ruleset)), stance(to), loader(*Loader::open(build_guard(test::reference_config()))) {
    REQUIRE(loader.close());
    REQUIRE(loader.stand_by(*now));
    if (stance == Stance::active) REQUIRE(loader.activate(*now, false));
  }

  LoadResult reload(const std::shared_ptr<const Ruleset>& to) {
    LoadResult done = loader.reload(compare(now, to), stance);
    if (done) now = to;
    return done;
  }

  // The tables are those of the ruleset; and the loader knows it: a wake loads nothing.
  void check() {
    if (stance == Stance::standby) {
      const LoadResult woken = loader.activate(*now, false);
      REQUIRE(woken);
      CHECK_FALSE(woken->full_load);
    }
    std::size_t bytes = 0;
    for (const Table& table : *now) {
      const std::string text = to_nft(table);
      CHECK(blocks_of(test::nft_list_table(table.name)) == blocks_of(text));
      bytes += text.size();
    }
    CHECK(test::nft_list_ruleset().size() == bytes);
  }
};

std::string handle_of(const std::string& words) {
  return test::run("nft -a list chain inet ftfw forward | sed -n 's/.*" + words + ".*# handle //p'");
}

const char* const kHosts =
    "[[firewall.group]]\nname = \"g\"\ntype = \"hosts\"\nelements = [\"192.0.2.1\", \"192.0.2.2\"]\n"
    "[[firewall.deny]]\nsource = \"@g\"\n";
const char* const kOtherHosts =
    "[[firewall.group]]\nname = \"g\"\ntype = \"hosts\"\nelements = [\"192.0.2.2\", \"192.0.2.3\"]\n"
    "[[firewall.deny]]\nsource = \"@g\"\n";
const char* const kNetworks =
    "[[firewall.group]]\nname = \"g\"\ntype = \"networks\"\nelements = [\"10.0.0.0/8\", \"192.0.2.7\"]\n"
    "[[firewall.deny]]\nsource = \"@g\"\n";
const char* const kOtherNetworks =
    "[[firewall.group]]\nname = \"g\"\ntype = \"networks\"\nelements = [\"0.0.0.0/8\", \"192.0.2.0/24\"]\n"
    "[[firewall.deny]]\nsource = \"@g\"\n";
const char* const kCounted =
    "[[firewall.counter]]\nname = \"c\"\n[[firewall.deny]]\nsource = \"192.0.2.9\"\ncounter = \"c\"\n";
const char* const kHelper =
    "[[firewall.helper]]\nname = \"h\"\ntype = \"ftp\"\n[[firewall.allow]]\nhelper = \"ftp\"\n";
const char* const kOtherHelper =
    "[[firewall.helper]]\nname = \"h\"\ntype = \"tftp\"\n[[firewall.allow]]\nhelper = \"tftp\"\n";
const char* const kSnat =
    "[[firewall.snat]]\nout = \"eth0\"\nsource = \"192.168.2.0/24\"\nto = \"192.168.0.100\"\n";
const char* const kInput = "[firewall.input]\n[[firewall.service]]\nprotocol = \"tcp\"\nports = [22]\n";

}  // namespace

TEST_CASE("a firewall is reloaded from every policy to every other, in both roles") {
  const std::vector<std::string> policies{allow(80),
                                          allow(80) + allow(81) + allow(82),
                                          allow(82) + allow(81) + allow(80) + allow(80),
                                          kHosts,
                                          kOtherHosts,
                                          kNetworks,
                                          kOtherNetworks,
                                          kCounted + allow(80),
                                          kHelper + std::string(kSnat),
                                          kOtherHelper + allow(7),
                                          kSnat + allow(80),
                                          allow(80) + kInput,
                                          "forward_policy = \"accept\"\n" + allow(80)};
  for (const Stance stance : {Stance::active, Stance::standby}) {
    for (const std::string& from : policies) {
      for (const std::string& to : policies) {
        CAPTURE(from);
        CAPTURE(to);
        if (!test::enter_fresh_namespace()) return;
        Reloadable machine(ruleset_of(from), stance);
        REQUIRE(machine.reload(ruleset_of(to)));
        machine.check();
      }
    }
  }
}

TEST_CASE("rules that stay keep their handle, counters their value, and nothing is committed for nothing") {
  if (!test::enter_fresh_namespace()) return;
  Reloadable machine(ruleset_of(kCounted + allow(80) + allow(81) + allow(82)), Stance::active);
  const std::string first = handle_of("dport 80");
  const std::string last = handle_of("dport 82");
  REQUIRE_FALSE(first.empty());
  const std::uint32_t genid = machine.loader.read_back()->genid;
  REQUIRE(machine.reload(ruleset_of("\n\n" + (kCounted + allow(80) + allow(81) + allow(82)))));
  CHECK(machine.loader.read_back()->genid == genid);
  REQUIRE(machine.reload(ruleset_of(kCounted + allow(79) + allow(80) + allow(82) + allow(83))));
  CHECK(handle_of("dport 80") == first);
  CHECK(handle_of("dport 82") == last);
  CHECK(handle_of("dport 81").empty());
}

TEST_CASE("a refused reload tells every line and leaves everything as it was") {
  for (const Stance stance : {Stance::active, Stance::standby}) {
    if (!test::enter_fresh_namespace()) return;
    Reloadable machine(ruleset_of(kHosts + allow(80)), stance);
    const std::string before = test::nft_list_ruleset();
    const auto former = machine.now;
    config::Config broken = test::config_of(kOtherHosts + allow(81));
    broken.firewall.helpers.push_back({.name = "a", .type = "nonesuch", .port = 1, .where = {101, 1}});
    broken.firewall.helpers.push_back({.name = "b", .type = "nonesuch", .port = 2, .where = {102, 1}});
    const LoadResult refused = machine.reload(ruleset_of(broken));
    REQUIRE_FALSE(refused);
    std::vector<std::uint32_t> lines;
    for (const Refusal& refusal : refused.error()) lines.push_back(refusal.where.line);
    CHECK(std::ranges::count(lines, 101U) >= 1);
    CHECK(std::ranges::count(lines, 102U) >= 1);
    CHECK(test::nft_list_ruleset() == before);
    CHECK(machine.now == former);
    machine.check();
  }
}

TEST_CASE("one element of 100,000 is changed in milliseconds, and only that") {
  for (const config::GroupType type : {config::GroupType::hosts, config::GroupType::networks}) {
    if (!test::enter_fresh_namespace()) return;
    config::Config config = test::config_of("[[firewall.deny]]\nsource = \"192.0.2.1\"\n");
    config::Group group{.name = "many", .type = type, .where = {50, 1}};
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      const auto nth = [&](std::uint32_t n) {
        return IpAddress::ipv4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                                static_cast<std::uint8_t>(n)});
      };
      const bool hosts = type == config::GroupType::hosts;
      group.addresses.push_back({nth(4 * i), hosts ? nth(4 * i) : nth(4 * i + 1)});
    }
    config.firewall.groups.push_back(group);
    config.firewall.rules.front().match.source = {.groups = {{"many", {}}}};
    Reloadable machine(ruleset_of(config), Stance::active);
    config.firewall.groups.back().addresses.erase(config.firewall.groups.back().addresses.begin() + 777);
    const auto to = ruleset_of(config);
    const RulesetChange change = compare(machine.now, to);
    const Instant start = monotonic_now();
    const LoadResult done = machine.loader.reload(change, Stance::active);
    const Duration whole = monotonic_now() - start;
    REQUIRE(done);
    CHECK_FALSE(done->full_load);
    machine.now = to;
    MESSAGE(fmt::format("one of 100,000 {}: {} us, of these {} us in the kernel",
                        type == config::GroupType::hosts ? "hosts" : "networks", whole / 1us,
                        done->in_kernel / 1us));
    machine.check();
  }
}

TEST_CASE("a takeover in the middle of a reload wakes the former ruleset, and the reload is done later") {
  if (!test::enter_fresh_namespace()) return;
  config::Config config = test::config_of(kHosts);
  Reloadable machine(ruleset_of(config), Stance::standby);
  config::Group group{.name = "big", .type = config::GroupType::networks, .where = {50, 1}};
  for (std::uint32_t i = 0; i < 12'001; ++i) {
    const IpAddress host =
        IpAddress::ipv4({10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1});
    group.addresses.push_back({host, host});
  }
  config.firewall.groups.push_back(group);
  config.firewall.rules.front().match.source = {.groups = {{"big", {}}}};
  const auto to = ruleset_of(config);
  int pieces = 0;
  const LoadResult stopped =
      machine.loader.reload(compare(machine.now, to), Stance::standby, [&] { return ++pieces == 2; });
  REQUIRE(stopped);
  CHECK(stopped->interrupted);
  const LoadResult woken = machine.loader.activate(*machine.now, false);
  REQUIRE(woken);
  CHECK_FALSE(woken->full_load);
  machine.stance = Stance::active;
  REQUIRE(machine.reload(to));
  machine.check();
}

TEST_CASE("chains that lead back to where they began are refused before the kernel sees them") {
  if (!test::enter_fresh_namespace()) return;
  Ruleset ruleset = *ruleset_of(allow(80));
  Table& table = ruleset.front();
  table.chains.front().rules.push_back({.expressions = {Goto{"b"}}, .where = {}});
  table.chains.push_back({.name = "b",
                          .base = {},
                          .rules = {{.expressions = {Goto{table.chains.front().name}}, .where = {}}},
                          .where = {9, 1}});
  Loader loader = *Loader::open(build_guard(test::reference_config()));
  const auto checked = loader.check(ruleset);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().front().text ==
        "chains that lead back to where they began: forward_reply > b > forward_reply");
}
