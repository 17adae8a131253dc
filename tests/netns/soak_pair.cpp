#include "tests/netns/soak_pair.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/frozen_thread.hpp"
#include "tests/netns/lab/kernel_table.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {
namespace {

// Generous: other work may share the processors.
constexpr Duration kSettled = 120s;
constexpr Traffic::Amounts kAmounts{
    .echoes = 30, .downloads = 0, .uploads = 2, .idle = 20, .to_reset = 0, .to_finish = 0};
constexpr std::size_t kChurned = 200;        // new flows each 50 ms: 4,000 a second
constexpr std::size_t kMostLiving = 40'000;  // of the milled ones
constexpr std::size_t kBurst = 50'000;
constexpr std::size_t kIndices = 350'000;  // they come again
static_assert(kIndices % kChurned == 0 && kBurst % kChurned == 0 && kIndices <= FlowMill::kMostFlows);
constexpr std::size_t kShownLogBytes = 4'000;
const Compared kTcp{.protocols = {IPPROTO_TCP}, .window_scales = false};

using Fault = void (SoakPair::*)();

std::filesystem::path write_soak_configuration(Lab& lab) {
  auto file = write_configuration(lab, {});
  // What a flush of the standby takes comes back with the next compare.
  file = edited(lab, file, "port = 3780\n", "port = 3780\ncompare_interval = \"5s\"\n");
  // A flush of the primary: connections may go on in the middle, and the firewall itself answers nothing.
  file = edited(lab, file, "ports = [21, 22, 80, 443]\n", "ports = [21, 22, 80, 443]\nstate = \"new\"\n");
  return edited(lab, file, "[firewall.log]\n", "[firewall.input]\n\n[firewall.log]\n");
}

}  // namespace

SoakPair::SoakPair(std::uint64_t seed)
    : configuration_(write_soak_configuration(lab_)),
      fw_1_(lab_, Node::fw_1, configuration_),
      fw_2_(lab_, Node::fw_2, configuration_),
      random_(seed),
      first_mill_(lab_, Node::fw_1, FlowMill::Refusals::counted),
      second_mill_(lab_, Node::fw_2, FlowMill::Refusals::counted) {
  fw_1_.start();
  wait_primary(Node::fw_1);
  fw_2_.start();
  services_.emplace(lab_);
  traffic_.emplace(lab_, kAmounts);
  connections_ = static_cast<std::size_t>(kAmounts.echoes + kAmounts.uploads + kAmounts.idle);
  churn(500ms);
}

std::vector<std::string> SoakPair::faults() {
  return {"the standby's daemon dies",
          "the primary's daemon dies",
          "the primary hands over",
          "the primary crashes and boots",
          "the primary is frozen",
          "the dedicated link is cut",
          "the dedicated link is lossy",
          "the standby's table is flushed",
          "the primary's table is flushed",
          "a burst of flows",
          "a burst of flows that nobody reads"};
}

void SoakPair::inflict(std::size_t fault) {
  static constexpr Fault kFaults[] = {
      &SoakPair::standby_dies,    &SoakPair::primary_dies,           &SoakPair::hand_over,
      &SoakPair::primary_crashes, &SoakPair::primary_is_frozen,      &SoakPair::link_is_cut,
      &SoakPair::link_is_lossy,   &SoakPair::standby_is_flushed,     &SoakPair::primary_is_flushed,
      &SoakPair::burst,           &SoakPair::burst_that_nobody_reads};
  (this->*kFaults[fault])();
}

// ---- the faults

void SoakPair::standby_dies() {
  fw_2_.kill();
  churn(between(0ms, 3s));
  fw_2_.start();
  churn(between(0ms, 500ms));
}

void SoakPair::primary_dies() {
  fw_1_.kill();
  wait_primary(Node::fw_2);
  churn(between(0ms, 2s));
  fw_1_.start();
}

void SoakPair::hand_over() {
  if (fw_1_.terminate(kSettled) != 0) give_up("SIGTERM does not end fw-1");
  wait_primary(Node::fw_2);
  churn(between(0ms, 2s));
  fw_1_.start();
}

void SoakPair::primary_crashes() {
  fw_1_.kill();
  lab_.cut_all(Node::fw_1);
  wait_primary(Node::fw_2);
  churn(between(0ms, 1s));
  wait_gone(Node::fw_1);
  lab_.forget_kernel_state(Node::fw_1);
  lab_.restore_all(Node::fw_1);
  fw_1_.start();
}

void SoakPair::primary_is_frozen() {
  fw_1_.freeze();
  churn(between(100ms, 5s));
  fw_1_.thaw();
}

void SoakPair::link_is_cut() {
  lab_.cut(Node::fw_2, "eth2");
  churn(between(100ms, 5s));
  lab_.restore(Node::fw_2, "eth2");
}

void SoakPair::link_is_lossy() {
  const int per_mille = std::uniform_int_distribution<int>(50, 300)(random_);
  lab_.lose(Node::fw_2, "eth2", Way::from_node, per_mille);
  lab_.lose(Node::fw_2, "eth2", Way::to_node, per_mille);
  churn(between(1s, 5s));
  lab_.lose_nothing();
}

void SoakPair::standby_is_flushed() {
  lab_.run_well(Node::fw_2, {"conntrack", "-F"});
  churn(between(0ms, 500ms));
}

void SoakPair::primary_is_flushed() {
  lab_.run_well(Node::fw_1, {"conntrack", "-F"});
  churn(between(0ms, 500ms));
}

void SoakPair::burst() {
  for (std::size_t made = 0; made < kBurst; made += kChurned, next_flow_ += kChurned) {
    first_mill_.create(MilledFlow::source_nat, next_flow_ % kIndices, kChurned);
  }
  churn(between(0ms, 200ms));
}

void SoakPair::burst_that_nobody_reads() {
  const FrozenThread reader(fw_1_.pid(), "ftfw-capture");
  burst();
}

// ---- what they share

std::optional<Node> SoakPair::primary() {
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    if (daemon(node).holding() == Holding::all && daemon(other_firewall(node)).holding() != Holding::all)
      return node;
  }
  return std::nullopt;
}

void SoakPair::wait_primary(Node node) {
  if (!wait_until(kSettled, [&] { return daemon(node).holding() == Holding::all; }))
    give_up(std::string(name_of(node)) + " does not become primary");
}

void SoakPair::wait_gone(Node node) {
  if (!wait_until(kSettled, [&] { return daemon(node).holding() == Holding::none; }))
    give_up(std::string(name_of(node)) + " keeps its addresses");
}

void SoakPair::churn(Duration time) {
  const auto round = [this] {
    const std::optional<Node> node = primary();
    if (!node) return;
    FlowMill& mill = *node == Node::fw_1 ? first_mill_ : second_mill_;
    const MilledFlow kind = random_() % 2 == 0 ? MilledFlow::source_nat : MilledFlow::destination_nat;
    const std::size_t first = next_flow_ % kIndices;
    mill.create(kind, first, kChurned);
    mill.finish(kind, first, kChurned / 4);
    next_flow_ += kChurned;
    for (; next_flow_ - oldest_flow_ > kMostLiving; oldest_flow_ += kChurned) {
      const std::size_t old = oldest_flow_ % kIndices;
      mill.destroy(MilledFlow::source_nat, old, kChurned);
      mill.destroy(MilledFlow::destination_nat, old, kChurned);
    }
  };
  const Instant end = monotonic_now() + time;
  wait_until(
      time,
      [&] {
        round();
        return monotonic_now() >= end;
      },
      50ms);
}

Duration SoakPair::between(Duration least, Duration most) {
  return Duration(std::uniform_int_distribution<Duration::rep>(least.count(), most.count())(random_));
}

std::string SoakPair::judge() {
  const Instant begin = monotonic_now();
  const bool elected = wait_until(
      kSettled, [&] { return fw_1_.holding() == Holding::all && fw_2_.holding() == Holding::none; });
  if (!elected) return failed("fw-1 is not the only primary");
  traffic_->mark();
  traffic_->speak();
  const Traffic::Report report = traffic_->wait_all_alive(kSettled);
  if (!report.obituaries.empty()) {
    std::string dead =
        fmt::format("{} of {} connections are dead:\n", report.obituaries.size(), connections_);
    for (const std::string& one : report.obituaries) dead += "  " + one + "\n";
    return failed(dead);
  }
  const std::string differences = wait_equal_kernels(lab_, connections_, kSettled, kTcp);
  if (!differences.empty()) return failed("the kernels differ (first is fw-1):\n" + differences);
  flows_ = count_flows(lab_, Node::fw_1);
  took_ = monotonic_now() - begin;
  return {};
}

std::string SoakPair::failed(const std::string& what) {
  std::string text = what;
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    const std::string log = daemon(node).log();
    const Outcome status = lab_.run(
        node, {control_program().string(), "--socket", daemon(node).control_socket().string(), "status"});
    text += fmt::format("\n--- {} says:\n{}--- its log ends with:\n{}", name_of(node), status.output,
                        log.substr(log.size() - std::min(log.size(), kShownLogBytes)));
  }
  return text + fmt::format("\n--- kept: {}\n", lab_.scratch().keep().string());
}

}  // namespace ftfw::lab
