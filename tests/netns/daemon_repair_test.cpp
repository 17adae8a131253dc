// What another program does to our tables while the daemon runs: told with its name, and undone at once, in
// both roles.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "appliance/base/clock.hpp"
#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kUndone = 10s;  // on a machine that does other things too

std::string ours(DaemonBench& b, Node node) {
  return b.table(node, "ftfw_guard") + b.table(node, "ftfw");
}

void check_undone(DaemonBench& b, Node node, const std::vector<std::string>& deed) {
  CAPTURE(std::string(name_of(node)));
  const std::string before = ours(b, node);
  const Json told = b.status(node);
  REQUIRE(before.contains("table inet ftfw "));
  const Instant begin = monotonic_now();
  b.lab.run_well(node, deed);
  const auto counted = [&](const Json& now) { return now["foreign_changes"] > told["foreign_changes"]; };
  CHECK(wait_until(kUndone, [&] { return ours(b, node) == before; }, 1ms));
  fmt::print("[netns repair] {}: {} undone {:.0f} ms after it began\n", name_of(node), deed.back(),
             in_milliseconds(monotonic_now() - begin));
  CHECK(b.wait_status(node, counted));
  CHECK(b.has_alarm(node, "nft"));
  CHECK(b.status(node)["role"] == told["role"]);
}

}  // namespace

TEST_CASE("another program flushes, deletes or opens our tables -> undone at once in both roles, and told") {
  DaemonBench b;
  b.start_pair();
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    check_undone(b, node, {"nft", "flush", "ruleset"});
    check_undone(b, node, {"nft", "delete table inet ftfw"});
    check_undone(b, node, {"nft", "insert rule inet ftfw forward accept"});
  }
  CHECK(b.is_closed(Node::fw_2));
}

TEST_CASE("repair = false: what another program changes is an alarm and stays") {
  DaemonBench b;
  const auto configuration = edited(b.lab, b.configuration, "[firewall]", "[firewall]\nrepair = false");
  b.fw_1.configure(configuration);
  b.fw_2.configure(configuration);
  b.start_pair();
  const std::string rule = "ip saddr 192.0.2.77 accept";
  const Json told = b.status(Node::fw_1);
  b.lab.run_well(Node::fw_1, {"nft", "insert rule inet ftfw forward " + rule});
  CHECK(b.wait_status(Node::fw_1,
                      [&](const Json& now) { return now["foreign_changes"] > told["foreign_changes"]; }));
  CHECK(b.has_alarm(Node::fw_1, "nft"));
  CHECK(b.has_alarm(Node::fw_1, "repair = false"));
  // Its own rounds come and go: a change of role, too, leaves it.
  b.fw_2.kill();
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == false; }));
  CHECK(b.table(Node::fw_1, "ftfw").contains(rule));
  CHECK(b.status(Node::fw_1)["repairs"] == told["repairs"]);
}
