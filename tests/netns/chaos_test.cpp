// The pair when much goes wrong at once: a lossy and a cut dedicated link, a standby that dies in the middle
// of a full send, a flushed table, bursts. The real program and the real kernel; after each of it the kernels
// of both firewalls are compared entry by entry. Figures are printed, facts are judged.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/netns/daemon_live_pair.hpp"
#include "tests/netns/lab/flow_mill.hpp"
#include "tests/netns/lab/frozen_thread.hpp"
#include "tests/netns/lab/kernel_table.hpp"
#include "tests/netns/lab/udp_openers.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

// The rest of the suite shares the processors; nothing here is judged by its speed.
constexpr Duration kEqual = 60s;
constexpr const char* kProtocols = R"(protocols = ["tcp", "sctp", "dccp"])";
const Compared kTcp{.protocols = {IPPROTO_TCP}};
const Compared kTcpAndUdp{.protocols = {IPPROTO_TCP, IPPROTO_UDP}};

void configure_both(DaemonBench& pair, const std::string& from, const std::string& to) {
  pair.configuration = edited(pair.lab, pair.configuration, from, to);
  pair.fw_1.configure(pair.configuration);
  pair.fw_2.configure(pair.configuration);
}

// The compare that comes by itself once a minute would hide what every doubt has to heal.
void without_periodic_compares(DaemonBench& pair) {
  configure_both(pair, "port = 3780\n", "port = 3780\ncompare_interval = \"10h\"\n");
}

// What it takes to understand a difference.
void expect_equal(DaemonBench& bench, std::size_t at_least, const Compared& compared) {
  const std::string differences = wait_equal_kernels(bench.lab, at_least, kEqual, compared);
  if (differences.empty()) return;
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    MESSAGE(name_of(node), " ", bench.status(node)["replication"].dump());
    const std::string log = bench.daemon(node).log();
    MESSAGE(log.substr(log.size() - std::min<std::size_t>(log.size(), 3000)));
  }
  FAIL_CHECK("not equal (first is fw-1):\n", differences);
}

// Nobody changed its role, every live connection lives.
void check_calm(LivePair& pair) {
  const Json primary = pair.status(Node::fw_1);
  CHECK(primary["role"] == "primary");
  CHECK(primary["since"] == pair.since);
  CHECK(primary["epoch"] == pair.epoch);
  CHECK(pair.fw_2.holding() == Holding::none);
  pair.traffic->mark();
  const Traffic::Report report = pair.traffic->wait_all_alive(30s);
  for (const std::string& obituary : report.obituaries) FAIL_CHECK(obituary);
}

void check_in_sync(DaemonBench& pair) {
  CHECK(pair.wait_status(
      Node::fw_2, [](const Json& now) { return now["replication"]["in_sync"] == true; }, 30s));
}

// A stranger in the name of fw-2 who says nothing but nonsense to fw-1, until it is stopped.
class Garbage {
 public:
  explicit Garbage(Lab& lab) : stranger_(lab), begin_(monotonic_now()) {
    std::mt19937 random(4711);
    // A third is sealed records and a third handshakes by their first bytes.
    for (const std::uint8_t type : std::array<std::uint8_t, 3>{0, 22, 23}) {
      for (std::size_t size = 14; size < 400; size += 30) {
        Bytes bytes(size);
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
        const std::array<std::uint8_t, 5> head{type, 0xfe, 0xfd, 0, static_cast<std::uint8_t>(type % 2)};
        if (type != 0) std::ranges::copy(head, bytes.begin());
        payloads_.push_back(std::move(bytes));
      }
    }
    thread_ = std::thread([this] {
      while (!stop_) sent_ += stranger_.flood(payloads_, 1024);
    });
  }
  ~Garbage() { stop(); }
  Garbage(const Garbage&) = delete;
  Garbage& operator=(const Garbage&) = delete;

  std::uint64_t sent() const { return sent_; }
  // How many it sent a second.
  double stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
      lasted_ = monotonic_now() - begin_;
    }
    return static_cast<double>(sent_) / in_milliseconds(lasted_) * 1000;
  }

 private:
  ReplicationStranger stranger_;
  std::vector<Bytes> payloads_;
  Instant begin_;
  Duration lasted_{1};
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::thread thread_;
};

// Drops what goes to fw-2 on the dedicated link and matches, until lose_nothing().
void bridge_rule(Lab& lab, const std::string& match) {
  const Outcome loaded =
      run(lab.processes(), lab.bridges(), {"nft", "-f", "-"},
          "table bridge part {\n chain forward {\n  type filter hook forward priority 0; policy accept;\n"
          "  oifname \"" +
              bridge_port(Node::fw_2, "eth2") + "\" " + match + " drop\n }\n}\n");
  REQUIRE_MESSAGE(loaded.exit_code == 0, loaded.errors);
}

void lose_on_dedicated_link(Lab& lab, int per_mille) {
  lab.lose(Node::fw_2, "eth2", Way::from_node, per_mille);
  lab.lose(Node::fw_2, "eth2", Way::to_node, per_mille);
}

}  // namespace

TEST_CASE(
    "the dedicated link loses a part of everything both ways -> both kernels become equal all the same") {
  int per_mille = 0;
  SUBCASE("10 %") {
    per_mille = 100;
  }
  SUBCASE("30 %") {
    per_mille = 300;
  }
  LivePair pair({}, without_periodic_compares);
  FlowMill mill(pair.lab, Node::fw_1);
  const auto resent = [&] { return figure(pair.status(Node::fw_1), "frames resent"); };
  const std::uint64_t resent_before = resent();
  lose_on_dedicated_link(pair.lab, per_mille);

  // Created, a third of it finished and another third destroyed while its creation may still be under way.
  constexpr std::size_t kRound = 1'500;
  constexpr std::size_t kRounds = 16;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::size_t first = round * kRound;
    mill.create(MilledFlow::source_nat, first, kRound);
    mill.create(MilledFlow::destination_nat, first, kRound);
    mill.finish(MilledFlow::source_nat, first, kRound / 3);
    mill.destroy(MilledFlow::destination_nat, first, kRound / 3);
    mill.destroy(MilledFlow::source_nat, first + kRound / 3, kRound / 3);
  }

  const Instant quiet = monotonic_now();
  // While it still loses.
  expect_equal(pair, kRounds * kRound * 4 / 3, kTcp);
  fmt::print("[chaos] {} % loss: equal {:.0f} ms after {} events\n", per_mille / 10,
             in_milliseconds(monotonic_now() - quiet), kRounds * kRound * 3);
  CHECK(wait_until(kPublished, [&] { return resent() > resent_before; }));
  check_in_sync(pair);
  check_calm(pair);
}

TEST_CASE(
    "the dedicated link is cut for 10 s under 5,000 new connections a second -> equal when it is back") {
  constexpr std::size_t kASecond = 5'000;
  constexpr Duration kCut = 10s;
  LivePair pair({}, [](DaemonBench& bench) {
    without_periodic_compares(bench);
    configure_both(bench, kProtocols, R"(protocols = ["tcp", "udp"])");
    // So that none of them ends by itself while tables are read.
    for (const Node node : {Node::fw_1, Node::fw_2}) {
      set_sysctl(bench.lab.network(node), "net/netfilter/nf_conntrack_udp_timeout", "900");
    }
  });
  FlowMill mill(pair.lab, Node::fw_1);
  constexpr std::size_t kOld = 3'000;
  mill.create(MilledFlow::source_nat, 0, kOld);
  REQUIRE(wait_equal_kernels(pair.lab, kOld, kEqual, kTcpAndUdp) == "");

  pair.lab.cut(Node::fw_2, "eth2");
  UdpOpeners openers(pair.lab, kASecond);
  const Instant restore = monotonic_now() + kCut;
  // Old ones end during the cut: they must not live on.
  std::size_t ended = 0;
  wait_until(
      kCut,
      [&] {
        if (ended < kOld / 2) {
          mill.destroy(MilledFlow::source_nat, ended, 100);
          mill.finish(MilledFlow::source_nat, kOld / 2 + ended, 100);
          ended += 100;
        }
        return monotonic_now() >= restore;
      },
      50ms);
  pair.lab.restore(Node::fw_2, "eth2");
  const std::size_t opened = openers.stop();

  const Instant quiet = monotonic_now();
  CHECK(opened >= kASecond);
  expect_equal(pair, opened, kTcpAndUdp);
  fmt::print("[chaos] link cut for 10 s: {} connections opened in it, equal {:.0f} ms after it was back\n",
             opened, in_milliseconds(monotonic_now() - quiet));
  check_in_sync(pair);
  check_calm(pair);
}

TEST_CASE(
    "the standby dies twice in the middle of a full send of 120,000 flows -> the third one is complete") {
  constexpr std::size_t kFlows = 120'000;
  DaemonBench bench;
  without_periodic_compares(bench);
  bench.fw_1.start();
  REQUIRE(bench.wait_role(Node::fw_1, "primary"));
  const Services services(bench.lab);
  Traffic traffic(bench.lab, kFewEchoes);
  FlowMill mill(bench.lab, Node::fw_1);
  mill.create(MilledFlow::source_nat, 0, kFlows);

  // All of it takes some 6 MB. The link lets so much of it through, so that it dies in the middle for
  // certain.
  std::size_t deaths = 0;
  for (const int kilobytes : {1'500, 3'000}) {
    const std::size_t before = count_flows(bench.lab, Node::fw_2);
    bridge_rule(bench.lab, fmt::format("quota over {} kbytes", kilobytes));
    bench.fw_2.start();
    REQUIRE(wait_until(60s, [&] { return count_flows(bench.lab, Node::fw_2) > before + 5'000; }));
    bench.fw_2.kill();
    bench.lab.lose_nothing();
    CHECK(count_flows(bench.lab, Node::fw_2) < kFlows);
    // What the dead one had received and nobody will name again.
    mill.destroy(MilledFlow::source_nat, deaths * 2'000, 2'000);
    mill.create(MilledFlow::destination_nat, deaths * 2'000, 2'000);
    ++deaths;
  }
  bench.fw_2.start();

  expect_equal(bench, kFlows, kTcp);
  check_in_sync(bench);
  traffic.mark();
  CHECK(traffic.wait_all_alive(30s).echoes.all());
  CHECK(bench.status(Node::fw_1)["role"] == "primary");
}

TEST_CASE(
    "the primary's table is flushed -> its live connections are picked up again, the rest ends on both") {
  constexpr std::size_t kFlows = 20'000;
  LivePair pair({}, [](DaemonBench& bench) {
    without_periodic_compares(bench);
    // By itself an allow lets flows begin with SYN only. What the server sends before the client spoke is for
    // the firewall itself then, and must not be answered by a reset.
    configure_both(bench, "ports = [21, 22, 80, 443]\n", "ports = [21, 22, 80, 443]\nstate = \"new\"\n");
    configure_both(bench, "[firewall.log]\n", "[firewall.input]\n\n[firewall.log]\n");
  });
  FlowMill mill(pair.lab, Node::fw_1);
  mill.create(MilledFlow::source_nat, 0, kFlows);
  mill.create(MilledFlow::destination_nat, 0, kFlows);
  REQUIRE(wait_equal_kernels(pair.lab, 2 * kFlows, kEqual, kTcp) == "");

  pair.lab.run_well(Node::fw_1, {"conntrack", "-F"});

  check_calm(pair);
  expect_equal(pair, static_cast<std::size_t>(kFewEchoes.echoes),
               {.protocols = {IPPROTO_TCP}, .window_scales = false});
  CHECK(kernel_table(pair.lab, Node::fw_2, kTcp).flows.size() < kFlows);
  check_in_sync(pair);
  pair.check_replicates();
}

TEST_CASE(
    "garbage in the peer's name as fast as one sender can, for as long as it lasts -> replication goes on") {
  constexpr std::size_t kFlows = 20'000;
  LivePair pair({}, without_periodic_compares);
  const auto dropped = [&] {
    const Json now = pair.status(Node::fw_1);
    return link_counter(now, 0, "malformed") + link_counter(now, 0, "not authentic") +
           link_counter(now, 0, "unexpected");
  };
  const std::uint64_t dropped_before = dropped();
  Garbage garbage(pair.lab);
  FlowMill mill(pair.lab, Node::fw_1);
  REQUIRE(wait_until(kEqual, [&] { return garbage.sent() > 100'000; }));

  mill.create(MilledFlow::source_nat, 0, kFlows);
  mill.create(MilledFlow::destination_nat, 0, kFlows);
  mill.destroy(MilledFlow::source_nat, 0, kFlows / 2);
  const Instant quiet = monotonic_now();
  expect_equal(pair, kFlows * 3 / 2, kTcp);
  const Duration took = monotonic_now() - quiet;

  const double a_second = garbage.stop();
  fmt::print("[chaos] {:.0f} datagrams of garbage a second: equal {:.0f} ms after {} events\n", a_second,
             in_milliseconds(took), kFlows * 5 / 2);
  CHECK(wait_until(kPublished, [&] { return dropped() > dropped_before + 10'000; }));
  check_in_sync(pair);
  check_calm(pair);
}

TEST_CASE("200,000 flows in one burst -> none is lost") {
  constexpr std::size_t kFlows = 200'000;
  bool overrun = false;
  SUBCASE("read as they come") {}
  SUBCASE("the reader of events stands still during the burst: the loss is noticed and healed") {
    overrun = true;
  }
  LivePair pair({}, without_periodic_compares);
  FlowMill mill(pair.lab, Node::fw_1);
  std::optional<FrozenThread> standstill;
  if (overrun) standstill.emplace(pair.fw_1.pid(), "ftfw-capture");

  const Instant begin = monotonic_now();
  mill.create(MilledFlow::source_nat, 0, kFlows);
  const Instant quiet = monotonic_now();
  standstill.reset();

  const bool all = wait_until(kEqual, [&] { return count_flows(pair.lab, Node::fw_2) >= kFlows; });
  const Duration took = monotonic_now() - quiet;
  CHECK(all);
  expect_equal(pair, kFlows, kTcp);
  fmt::print("[chaos] burst of {} flows in {:.0f} ms{}: all there {:.0f} ms later; {} frames sent twice\n",
             kFlows, in_milliseconds(quiet - begin), overrun ? " that nobody read" : "",
             in_milliseconds(took), figure(pair.status(Node::fw_1), "frames resent"));
  const auto lost = [&](const Json& now) {
    return now["replication"]["events"]["lost"].get<std::uint64_t>();
  };
  if (overrun) {
    CHECK(pair.wait_status(
        Node::fw_1, [&](const Json& now) { return lost(now) > 0 && figure(now, "overruns") > 0; },
        kPublished));
  }
  check_in_sync(pair);
  check_calm(pair);

  // And their end.
  mill.destroy(MilledFlow::source_nat, 0, kFlows);
  expect_equal(pair, static_cast<std::size_t>(kFewEchoes.echoes), kTcp);
  CHECK(count_flows(pair.lab, Node::fw_2) < kFlows / 100);
}
