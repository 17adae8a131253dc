// `standby = "cache"`: the standby's kernel holds none of the pair's flows, and a takeover commits them
// before the addresses move. The same traffic as in takeover_test.cpp, and back again each time.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/make_flows.hpp"
#include "tests/netns/lab/scenario.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kTakeover = 10s;
constexpr Duration kReturn = 60s;
constexpr Duration kSigtermBound = 6s;

void judge(Scenario& scenario) {
  for (const std::string& problem : scenario.problems()) FAIL_CHECK(problem);
}

// Of the flows without a socket, which nothing changes: those that `now` lacks or has otherwise.
std::size_t missing(const FlowTable& before, const FlowTable& now) {
  std::size_t count = 0;
  for (const auto& [tuple, flow] : before.flows) {
    const auto found = now.flows.find(tuple);
    if (flow.state == "ESTABLISHED" && (found == now.flows.end() || found->second.reply != flow.reply ||
                                        found->second.source_nat != flow.source_nat)) {
      ++count;
    }
  }
  return count;
}

// Anonymous memory of a process, in bytes.
std::size_t memory_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    std::size_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

}  // namespace

TEST_CASE("a standby with a cache takes less than 160 bytes a flow") {
  constexpr std::size_t kFlows = 100'000;
  Scenario s({.name = "cache memory", .cache_1 = true, .cache_2 = true});
  const std::size_t before = memory_of(s.appliance(Node::fw_2).pid());
  make_flows(s.lab(), Node::fw_1, kFlows);
  const bool arrived = wait_until(
      60s, [&] { return s.appliance(Node::fw_2).standing().value_or(Standing{}).entries >= kFlows; }, 100ms);
  s.expect(arrived, "all flows arrive");
  const double each =
      static_cast<double>(memory_of(s.appliance(Node::fw_2).pid()) - before) / static_cast<double>(kFlows);
  fmt::print("[cache memory] {:.0f} bytes a flow on the standby\n", each);
  s.expect(each < 160, fmt::format("{:.0f} bytes a flow", each));
  s.expect(replicated_flows(s.lab(), Node::fw_2).flows.empty(), "its kernel is empty");
  // An operator sees them all the same.
  const std::string listed =
      s.lab()
          .run(Node::fw_2, {control_program().string(), "--socket",
                            s.appliance(Node::fw_2).control_socket().string(), "flows", "--count"})
          .output;
  s.expect(std::strtoull(listed.c_str(), nullptr, 10) >= kFlows, "ftfwctl flows --count says " + listed);
  judge(s);
}

TEST_CASE("crash: what the cache held is committed, every connection lives, and so it is on the way back") {
  Scenario s({.name = "cache crash", .flows = 20'000, .cache_1 = true, .cache_2 = true});
  s.expect(replicated_flows(s.lab(), Node::fw_2).flows.empty(), "the standby's kernel is empty");

  s.begin();
  const FlowTable before = replicated_flows(s.lab(), Node::fw_1);
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  const std::size_t lost = missing(before, replicated_flows(s.lab(), Node::fw_2));
  // A connection of the traffic may have ended in between.
  s.expect(lost < 20, fmt::format("the flows of fw-1 are in the kernel of fw-2, {} are not", lost));
  s.expect_everything_lives(Node::fw_2, "fw-1 crashed");

  s.begin();
  s.boot(Node::fw_1);
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE("the nodes have different modes: a planned move and back, twice, loses nothing") {
  Scenario s({.name = "cache mixed", .flows = 5'000, .cache_2 = true});
  for (int round = 1; round <= 2; ++round) {
    s.begin();
    s.expect(s.appliance(Node::fw_1).terminate(kSigtermBound) == 0, "SIGTERM ends fw-1 in time");
    s.expect_only_primary(Node::fw_2, kTakeover);
    s.expect_everything_lives(Node::fw_2, "fw-1 handed over");

    s.begin();
    s.appliance(Node::fw_1).start();
    s.expect_only_primary(Node::fw_1, kReturn);
    s.expect_everything_lives(Node::fw_1, "fw-1 returned");
    s.expect_equal_tables();
  }
  judge(s);
}

TEST_CASE("a standby that restarts begins empty, is filled again and can take over") {
  Scenario s({.name = "cache restart", .flows = 5'000, .cache_1 = true, .cache_2 = true});

  s.begin();
  s.appliance(Node::fw_2).kill();
  s.appliance(Node::fw_2).start();
  s.expect_everything_lives(Node::fw_1, "fw-2 restarted");
  s.expect_equal_tables();

  s.begin();
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "then fw-1 crashed");
  judge(s);
}

TEST_CASE("the daemon alone is killed: the restarted one gives its kernel's flows to its cache") {
  Scenario s({.name = "cache killed", .flows = 5'000, .cache_1 = true, .cache_2 = true});

  s.begin();
  s.appliance(Node::fw_1).kill();
  s.expect_only_primary(Node::fw_2, kTakeover);
  s.expect_everything_lives(Node::fw_2, "the daemon of fw-1 killed");

  s.begin();
  s.appliance(Node::fw_1).start();
  s.expect_only_primary(Node::fw_1, kReturn);
  s.expect_everything_lives(Node::fw_1, "the daemon of fw-1 returned");
  s.expect_equal_tables();
  judge(s);
}

TEST_CASE("FTP passive: the expectation is in the cache when the primary dies, and the transfer completes") {
  Scenario s({.name = "cache ftp", .cache_1 = true, .cache_2 = true});

  s.begin();
  s.ftp().enter_passive();
  s.expect(!replicated_flows(s.lab(), Node::fw_1).expectations.empty(), "the primary has the expectation");
  s.expect_equal_tables();
  s.crash(Node::fw_1);
  s.expect_primary(Node::fw_2, kTakeover);
  s.ftp().open_data();
  s.expect(s.ftp().retrieve(kSmallFile) == kSmallFileBytes, "the transfer is complete");
  s.expect_everything_lives(Node::fw_2, "fw-1 crashed after the 227");
  judge(s);
}
