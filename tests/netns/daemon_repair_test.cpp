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
