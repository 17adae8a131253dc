// Flows that move three times, fw-1 to fw-2 to fw-1 to fw-2: translated both ways, live and idle, real
// connections and 20,000 made by ctnetlink. All survive with the bits of their translation, and a RST of a
// real one still closes its entry.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <string>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/flow_mill.hpp"
#include "tests/netns/lab/kernel_table.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kMove = 90s;  // a node that returns waits until it is in step, then preempts
constexpr Duration kAlive = 60s;
constexpr std::size_t kMilled = 10'000;  // each way
constexpr int kClosedEachTime = 10;
constexpr Traffic::Amounts kAmounts{
    .echoes = 60, .downloads = 1, .uploads = 1, .idle = 100, .to_reset = 40, .to_finish = 0};
const Compared kTcp{.protocols = {IPPROTO_TCP}};

// The client's services, open to the outside.
constexpr const char* kForwarding = R"([[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [22, 80, 443]
to = "192.168.2.3"

[firewall.log]
)";

KernelTable without(KernelTable table, const KernelTable& others) {
  for (const auto& flow : others.flows) table.flows.erase(flow.first);
  return table;
}

KernelTable only(KernelTable table, const KernelTable& wanted) {
  std::erase_if(table.flows, [&](const auto& flow) { return !wanted.flows.contains(flow.first); });
  table.expectations.clear();
  return table;
}

struct MovingPair : DaemonBench {
  MovingPair() {
    configuration = edited(lab, configuration, "[firewall.log]\n", kForwarding);
    fw_1.configure(configuration);
    fw_2.configure(configuration);
    start_pair();
    outwards.emplace(lab, kAmounts, Opened::outwards);
    inwards.emplace(lab, kAmounts, Opened::inwards);
    const KernelTable real = kernel_table(lab, Node::fw_1, kTcp);
    FlowMill mill(lab, Node::fw_1);
    mill.create(MilledFlow::source_nat, 0, kMilled);
    mill.create(MilledFlow::destination_nat, 0, kMilled);
    milled = without(kernel_table(lab, Node::fw_1, kTcp), real);
    REQUIRE(milled.flows.size() == 2 * kMilled);
    REQUIRE(wait_equal_kernels(lab, 2 * kMilled, 60s, kTcp) == "");
  }

  void wait_primary(Node node) {
    REQUIRE(wait_until(kMove, [&] {
      return daemon(node).holding() == Holding::all &&
             daemon(other_firewall(node)).holding() == Holding::none;
    }));
  }

  // How many entries of real connections are not closed on that node.
  std::size_t established(Node node) {
    const Outcome listed = lab.run(node, {"conntrack", "-L", "-p", "tcp", "--dport",
                                          std::to_string(kEchoPort), "--state", "ESTABLISHED"});
    return static_cast<std::size_t>(std::ranges::count(listed.output, '\n'));
  }

  void check_everything_lives(Node primary, const std::string& what) {
    CAPTURE(what);
    const Instant begin = monotonic_now();
    for (auto* traffic : {&*outwards, &*inwards}) {
      traffic->mark();
      traffic->speak();
    }
    for (auto* traffic : {&*outwards, &*inwards}) {
      const Traffic::Report report = traffic->wait_all_alive(kAlive);
      CHECK(report.obituaries.size() == 0);
      for (const std::string& dead : report.obituaries) MESSAGE(dead);
      CHECK(traffic->reset(kClosedEachTime).size() == kClosedEachTime);
      closed += kClosedEachTime;
    }
    const auto open =
        static_cast<std::size_t>(2 * (kAmounts.echoes + kAmounts.idle + kAmounts.to_reset) - closed);
    CHECK(wait_until(30s, [&] { return established(primary) == open; }, 50ms));
    CHECK(established(primary) == open);
    CHECK(difference(milled, only(kernel_table(lab, primary, kTcp), milled)) == "");
    fmt::print("[moves] {}: {} real connections and {} made ones live {:.0f} ms after the move was seen\n",
               what, open, milled.flows.size(), in_milliseconds(monotonic_now() - begin));
  }

  Services at_server{lab, Opened::outwards};
  Services at_client{lab, Opened::inwards};
  std::optional<Traffic> outwards;
  std::optional<Traffic> inwards;
  KernelTable milled;
  int closed = 0;
};

}  // namespace

TEST_CASE(
    "20,000 flows translated both ways and 400 real connections move three times -> all of them survive") {
  MovingPair pair;

  pair.fw_1.kill();
  pair.lab.cut_all(Node::fw_1);
  REQUIRE(wait_until(kMove, [&] { return pair.fw_2.holding() == Holding::all; }));
  pair.check_everything_lives(Node::fw_2, "fw-1 crashed");

  // It boots.
  REQUIRE(wait_until(kMove, [&] { return pair.fw_1.holding() == Holding::none; }));
  pair.lab.forget_kernel_state(Node::fw_1);
  pair.lab.restore_all(Node::fw_1);
  pair.fw_1.start();
  pair.wait_primary(Node::fw_1);
  pair.check_everything_lives(Node::fw_1, "fw-1 returned and preempted");
  CHECK(wait_equal_kernels(pair.lab, 2 * kMilled, 60s, kTcp) == "");

  CHECK(pair.fw_1.terminate(kStop) == 0);
  pair.wait_primary(Node::fw_2);
  pair.check_everything_lives(Node::fw_2, "fw-1 handed over");
  pair.fw_1.start({"--role", "backup"});
  CHECK(wait_equal_kernels(pair.lab, 2 * kMilled, 60s, kTcp) == "");
}
