// Whole takeovers: the real program on two firewalls, the real kernel, every kind of live traffic, and each
// takeover also back again. Bounds on time are generous; the figures are printed.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/scenario.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

// With 100 ms advertisements a backup is primary after 0.4 s.
constexpr Duration kTakeover = 5s;
// A node that returns waits until it is in step, then preempts.
constexpr Duration kReturn = 60s;
constexpr Duration kSigtermBound = 6s;
constexpr Duration kLease = 3s;

void judge(Scenario& scenario) {
  for (const std::string& problem : scenario.problems()) FAIL_CHECK(problem);
}

void expect_gap_below(Scenario& scenario, Duration limit) {
  const Duration gap = scenario.probe().report().longest_gap;
  scenario.expect(gap < limit,
                  fmt::format("a gap below {} ms, got {}", in_milliseconds(limit), in_milliseconds(gap)));
}

}  // namespace

TEST_CASE(
    "crash: every connection lives on the other firewall, and again when the first returns and preempts") {
  Scenario s({.name = "crash", .flows = 20'000});

  s.begin();
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "fw-1 crashed");
  expect_gap_below(s, detection_interval(Scenario::kAdvertisementInterval) + 500ms);

  s.begin();
  s.boot(Node::fw_1);
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE(
    "the daemon alone is killed: the other takes over, and the restarted one finds its old flows and "
    "preempts") {
  Scenario s({.name = "killed"});

  s.begin();
  s.appliance(Node::fw_1).kill();
  s.expect_primary(Node::fw_2, kTakeover);
  s.expect_addresses_gone(Node::fw_1, kLease + 1500ms);
  s.expect_everything_lives(Node::fw_2, "the daemon of fw-1 killed");

  s.begin();
  s.appliance(Node::fw_1).start();
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "the daemon of fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE("SIGTERM hands over, and the daemon that starts again preempts") {
  Scenario s({.name = "hand-over"});

  s.begin();
  s.expect(s.appliance(Node::fw_1).terminate(kSigtermBound) == 0, "SIGTERM ends it with exit code 0 in time");
  s.expect(s.appliance(Node::fw_1).holding() == Holding::none, "its addresses are gone when it has ended");
  s.expect_only_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "fw-1 handed over");
  expect_gap_below(s, 500ms);

  s.begin();
  s.appliance(Node::fw_1).start();
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE(
    "a link of the primary goes down, on either side: the other takes over, and back when it is up again") {
  const char* interface = "";
  SUBCASE("inside") {
    interface = "eth1";
  }
  SUBCASE("outside") {
    interface = "eth0";
  }
  Scenario s({.name = std::string("link ") + interface});

  s.begin();
  s.lab().cut(Node::fw_1, interface);
  s.expect_only_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "fw-1 lost a link");

  s.begin();
  s.lab().restore(Node::fw_1, interface);
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "the link is back");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE("the standby restarts under traffic: nothing is felt, and it is complete again for a takeover") {
  Scenario s({.name = "standby restart", .flows = 5'000});

  s.begin();
  s.appliance(Node::fw_2).kill();
  s.appliance(Node::fw_2).start();
  s.expect_everything_lives(Node::fw_1, "fw-2 restarted");
  expect_gap_below(s, 300ms);
  s.expect_equal_tables();
  s.expect(s.appliance(Node::fw_2).holding() == Holding::none, "the standby holds no virtual address");

  s.begin();
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "then fw-1 crashed");

  s.begin();
  s.boot(Node::fw_1);
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE(
    "SIGSTOP of the primary: its kernel withdraws the addresses, connections live, also when it wakes up") {
  Scenario s({.name = "frozen"});

  s.begin();
  s.appliance(Node::fw_1).freeze();
  s.expect_addresses_gone(Node::fw_1, kLease + 1500ms);
  s.expect_only_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "fw-1 frozen");

  s.begin();
  s.appliance(Node::fw_1).thaw();
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 awake and back");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE("the only node left loses its daemon for 20 s: addresses stay, connections live") {
  constexpr Duration kWithoutDaemon = 20s;
  Scenario s({.name = "alone", .standby = false});
  Appliance& alone = s.appliance(Node::fw_1);
  REQUIRE(wait_until(30s, [&] { return alone.seconds_left() > 30; }));

  s.begin();
  alone.kill();
  const bool lost = wait_until(kWithoutDaemon, [&] { return alone.holding() != Holding::all; }, 20ms);
  s.expect(!lost, "the addresses stay without the daemon");
  const std::uint32_t left = alone.seconds_left();
  alone.start();
  // A longer lifetime than before: the daemon holds the addresses again.
  s.expect(wait_until(15s, [&] { return alone.seconds_left() > left + 5; }),
           "the daemon holds its addresses again");
  s.expect_everything_lives(Node::fw_1, "the daemon returned");

  s.appliance(Node::fw_2).start();
  s.expect_equal_tables();
  s.expect(alone.holding() == Holding::all, "fw-1 stays primary");
  judge(s);
}

TEST_CASE(
    "FTP passive: the primary dies between the 227 and the data connection, and the transfer completes") {
  Scenario s({.name = "ftp"});

  s.begin();
  s.ftp().enter_passive();
  s.expect_equal_tables();
  s.expect(!replicated_flows(s.lab(), Node::fw_2).expectations.empty(), "the standby has the expectation");
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  s.ftp().open_data();
  s.expect(s.ftp().retrieve(kSmallFile) == kSmallFileBytes, "the transfer is complete");
  s.expect_everything_lives(Node::fw_2, "fw-1 crashed after the 227");

  s.begin();
  s.boot(Node::fw_1);
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}
