// Policy -> kernel -> `nft list ruleset`: what the kernel holds is the text that we print.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "config/load.hpp"
#include "config/names.hpp"
#include "firewall/guard.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/listing.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

void check_listing(const config::Config& config) {
  Loader loader = *Loader::open(build_guard(config));
  const Ruleset ruleset = build_ruleset(config, loader.probe().value());
  REQUIRE(loader.activate(ruleset, false));
  // The step closes first, which leaves nothing behind.
  CHECK(test::nft_list_ruleset() == to_nft(ruleset));
}

}  // namespace

TEST_CASE("the reference ruleset is listed by nft as we list it") {
  if (!test::enter_fresh_namespace()) return;
  test::run("ip link add eth0 type veth peer name eth1");
  check_listing(test::reference_config());
}

TEST_CASE("every construct of the policy is listed by nft as we list it") {
  if (!test::enter_fresh_namespace()) return;
  check_listing(test::everything_config());
}

TEST_CASE("each construct that the operator writes is listed by nft as we list it, and read back by nft") {
  for (const test::Construct& construct : test::constructs()) {
    CAPTURE(construct.name);
    if (!test::enter_fresh_namespace()) return;
    const config::Config config = test::config_of(construct.policy);
    check_listing(config);
    if (!test::enter_fresh_namespace()) return;
    const Ruleset ruleset = build_ruleset(config, {});
    test::run("nft -f - <<'END'\n" + to_nft(ruleset) + "END\n");
    CHECK(test::nft_list_ruleset() == to_nft(ruleset));
  }
}

TEST_CASE("the example of a whole policy is listed by nft as we list it") {
  if (!test::enter_fresh_namespace()) return;
  const config::Loaded loaded =
      config::load(test::read_file(std::string(CONFIG_EXAMPLES_DIR) + "/firewall.toml"));
  REQUIRE(loaded.config.has_value());
  check_listing(*loaded.config);
}

TEST_CASE("every helper that the configuration assigns is one of the kernel") {
  if (!test::enter_fresh_namespace()) return;
  config::Config config = test::reference_config();
  config.firewall.helpers.clear();
  for (const std::string_view name : config::kernel_helper_names()) {
    for (const config::KernelHelper& helper : config::kernel_helpers(name)) {
      if (!helper.through.empty()) continue;
      config.firewall.helpers.push_back({.name = fmt::format("helper-{}", config.firewall.helpers.size()),
                                         .type = std::string(helper.name),
                                         .protocol = helper.protocol,
                                         .port = helper.port,
                                         .where = {helper.port, 1}});
    }
  }
  Loader loader = *Loader::open(build_guard(config));
  const auto checked = loader.check(build_ruleset(config, {.flowtables = false}));
  std::string refused;
  if (!checked) {
    for (const Refusal& refusal : checked.error()) refused += refusal.object + ": " + refusal.text + "\n";
  }
  CHECK(refused == "");
}

TEST_CASE("a set larger than one message is listed by nft as we list it") {
  if (!test::enter_fresh_namespace()) return;
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 1; port <= 2500; ++port) ports.push_back(port);
  config::Config config = test::config_with_rule(
      {.match = {.from = test::from("eth1"), .protocols = {17}, .ports = test::ports(ports)}});
  Loader loader = *Loader::open(build_guard(config));
  const Ruleset ruleset = build_ruleset(config, loader.probe().value());
  REQUIRE(loader.activate(ruleset, false));
  // nft breaks long sets into lines; the elements are what matters.
  const std::string listed = test::run("nft -j list ruleset");
  CHECK(listed.find("2499, 2500]") != std::string::npos);
  CHECK(listed.find("999, 1000, 1001, 1002") != std::string::npos);
}

TEST_CASE("guard and shield are listed by nft as we list them") {
  if (!test::enter_fresh_namespace()) return;
  const Guard guard = build_guard(test::reference_config());
  Loader loader = *Loader::open(guard);
  REQUIRE(loader.close());
  Table expected = guard.table;
  expected.chains = {guard.closed, guard.gate};
  CHECK(test::nft_list_ruleset() == to_nft(expected));
  const Ruleset ruleset = build_ruleset(test::reference_config(), {.flowtables = false});
  REQUIRE(loader.activate(ruleset, true));
  expected.chains = {guard.shield};
  CHECK(test::nft_list_table("ftfw_guard") == to_nft(expected));
}

TEST_CASE("the text that we print is text that nft reads") {
  if (!test::enter_fresh_namespace()) return;
  const Ruleset ruleset = build_ruleset(test::everything_config(), {});
  test::run("nft -f - <<'END'\n" + to_nft(ruleset) + "END\n");
  CHECK(test::nft_list_ruleset() == to_nft(ruleset));
}
