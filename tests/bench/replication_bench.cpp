// What carrying conntracks to the standby costs, ours beside conntrackd 1.4.7 and the kernel's own limit in
// the same run. usage: bench-replication [MEASURE...]    cpu cache full-send burst commit growth
// takeover
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/clock.hpp"
#include "tests/bench/figures.hpp"
#include "tests/bench/kernel_limits.hpp"
#include "tests/bench/replicator.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/make_flows.hpp"
#include "tests/netns/lab/scenario.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::bench;
using lab::Node;
using lab::PreparedFlows;

namespace {

constexpr Duration kPatience = 60s;
constexpr Duration kAfterBurst = 1s;
constexpr Duration kSettled = 3s;
// As fast as either still keeps up with on two processors.
constexpr std::size_t kPerSecond = 20'000;

// Smaller where only the bench itself is tried.
std::size_t sized(std::size_t full) {
  return std::getenv("FTFW_BENCH_SMOKE") == nullptr ? full : std::min<std::size_t>(full, 5'000);
}
const std::size_t kFlows = sized(200'000);

double per_flow_us(Duration time, std::size_t flows) {
  return in_milliseconds(time) * 1'000 / static_cast<double>(flows);
}
double per_second(std::size_t flows, Duration time) {
  return static_cast<double>(flows) / (in_milliseconds(time) / 1'000);
}

void print_row(std::string_view measure, const std::string& ours, const std::string& theirs,
               const std::string& ratio) {
  fmt::print("[bench replication] {:<44} {:>14} {:>14} {:>7}\n", measure, ours, theirs, ratio);
  std::fflush(stdout);
}
void print_row(std::string_view measure, double ours, double theirs, std::string_view unit) {
  print_row(measure, fmt::format("{:.2f} {}", ours, unit), fmt::format("{:.2f} {}", theirs, unit),
            fmt::format("{:.2f}", ours / theirs));
}

// A running pair.
struct Running {
  explicit Running(Replication replication) : replicator(Replicator::create(replication, lab)) {
    replicator->start_source();
  }

  // Until flows that are made from now on arrive: a few of them are, and counted out.
  void start_standby() {
    replicator->start_standby();
    if (!lab::wait_until(kPatience, [&] { return arrives(); }, 100ms)) lab::give_up("nothing is replicated");
    before = replicator->standby_flows();
  }
  std::size_t carried() {
    const std::size_t now = replicator->standby_flows();
    return now - std::min(now, before);
  }
  void wait_for(std::size_t flows) {
    if (!lab::wait_until(kPatience, [&] { return carried() >= flows; }, 2ms)) {
      lab::give_up(fmt::format("the standby has {} of {} flows", carried(), flows));
    }
  }
  Duration processor_time() const {
    return bench::processor_time(replicator->pid(Node::fw_1)) +
           bench::processor_time(replicator->pid(Node::fw_2));
  }

  lab::Lab lab;
  std::unique_ptr<Replicator> replicator;

 private:
  bool arrives() {
    // More than the few of its own that a firewall has.
    static constexpr std::size_t kProbes = 64;
    probed += kProbes;
    PreparedFlows(kProbes, PreparedFlows::kMost - probed).create_in(lab.network(Node::fw_1));
    return lab::wait_until(1s, [&] { return replicator->standby_flows() >= probed; }, 20ms);
  }

  std::size_t probed = 0;
  std::size_t before = 0;
};

struct Raw {
  Duration elapsed{};
  Duration processor{};
};
Raw raw_injection(std::size_t flows) {
  const lab::NetNamespace network = lab::NetNamespace::create();
  const PreparedFlows::Cost cost = PreparedFlows(flows).create_in(network);
  return {cost.elapsed, cost.processor};
}

// ---- what a new flow costs

struct NewFlows {
  Duration source{};
  Duration standby{};
  double bytes_on_link = 0;
  double source_memory = 0;
  double standby_memory = 0;
};

NewFlows measure_new_flows(Replication replication) {
  Running pair(replication);
  pair.start_standby();
  const PreparedFlows flows(kFlows);
  const pid_t source = pair.replicator->pid(Node::fw_1);
  const pid_t standby = pair.replicator->pid(Node::fw_2);
  const auto number = static_cast<double>(kFlows);
  const Duration source_before = processor_time(source);
  const Duration standby_before = processor_time(standby);
  const std::size_t source_memory = anonymous_bytes(source);
  const std::size_t standby_memory = anonymous_bytes(standby);
  const std::size_t bytes = bytes_on(pair.lab, Node::fw_1, "eth2");
  flows.create_in(pair.lab.network(Node::fw_1), kPerSecond);
  pair.wait_for(kFlows);
  NewFlows result;
  result.source = processor_time(source) - source_before;
  result.standby = processor_time(standby) - standby_before;
  result.bytes_on_link = static_cast<double>(bytes_on(pair.lab, Node::fw_1, "eth2") - bytes) / number;
  const auto growth = [&](pid_t process, std::size_t since) {
    return (static_cast<double>(anonymous_bytes(process)) - static_cast<double>(since)) / number;
  };
  result.source_memory = growth(source, source_memory);
  result.standby_memory = growth(standby, standby_memory);
  return result;
}

double us(Duration time) {
  return per_flow_us(time, kFlows);
}

void bench_new_flows(Bounds& bounds) {
  const NewFlows ours = measure_new_flows(Replication::ours);
  const NewFlows theirs = measure_new_flows(Replication::conntrackd_direct);
  print_row("CPU a new flow, primary", us(ours.source), us(theirs.source), "us");
  print_row("CPU a new flow, standby", us(ours.standby), us(theirs.standby), "us");
  print_row("CPU a new flow, both", us(ours.source + ours.standby), us(theirs.source + theirs.standby), "us");
  print_row("bytes on the dedicated link a flow", ours.bytes_on_link, theirs.bytes_on_link, "B");
  print_row("memory a flow, primary", ours.source_memory, theirs.source_memory, "B");
  print_row("memory a flow, standby", ours.standby_memory, theirs.standby_memory, "B");
  bounds.expect(ours.source < theirs.source, "CPU a new flow on the primary below conntrackd's");
  bounds.expect(2 * (ours.source + ours.standby) <= theirs.source + theirs.standby,
                "CPU a new flow at most half of conntrackd's");
  bounds.expect(ours.bytes_on_link < theirs.bytes_on_link, "bytes on the link below conntrackd's");
  bounds.expect(ours.source_memory <= 16, "memory a flow on the primary at most 16 B");
  bounds.expect(ours.standby_memory <= 64, "memory a flow on the standby at most 64 B");
}

void bench_cache(Bounds& bounds) {
  const NewFlows ours = measure_new_flows(Replication::ours_cache);
  const NewFlows theirs = measure_new_flows(Replication::conntrackd_cache);
  print_row("cache: CPU a new flow, both", us(ours.source + ours.standby), us(theirs.source + theirs.standby),
            "us");
  print_row("cache: memory a flow, standby", ours.standby_memory, theirs.standby_memory, "B");
  bounds.expect(ours.standby_memory <= 160, "memory a flow on the standby, cache, at most 160 B");
}

// ---- a full send

struct FullSend {
  double rate = 0;
  std::size_t landed = 0;
  Duration processor{};
};

FullSend measure_full_send(Replication replication) {
  Running pair(replication);
  PreparedFlows(kFlows).create_in(pair.lab.network(Node::fw_1), kPerSecond);
  pair.replicator->start_standby();
  const pid_t source = pair.replicator->pid(Node::fw_1);
  const Duration before = processor_time(source);
  const lab::NetNamespace& standby = pair.lab.network(Node::fw_2);
  // From the first hundredth on: the conversation's beginning is not counted. Until nine tenths, or until
  // nothing more comes: conntrackd does not always send all.
  if (!lab::wait_until(kPatience, [&] { return kernel_flows(standby) >= kFlows / 100; }, 200us)) {
    lab::give_up(name_of(replication) + " sends nothing");
  }
  const Instant begin = monotonic_now();
  const std::size_t at_begin = kernel_flows(standby);
  Instant end = begin;
  std::size_t at_end = at_begin;
  while (at_end < kFlows / 10 * 9 &&
         lab::wait_until(kSettled, [&] { return kernel_flows(standby) > at_end; }, 200us)) {
    end = monotonic_now();
    at_end = kernel_flows(standby);
  }
  FullSend result{.rate = per_second(at_end - at_begin, end - begin)};
  lab::wait_until(kSettled, [&] { return kernel_flows(standby) >= kFlows; }, 10ms);
  result.landed = std::min(kernel_flows(standby), kFlows);
  result.processor = processor_time(source) - before + processor_time(pair.replicator->pid(Node::fw_2));
  return result;
}

void bench_full_send(Bounds& bounds) {
  const Raw raw = raw_injection(kFlows);
  const FullSend ours = measure_full_send(Replication::ours);
  const FullSend theirs = measure_full_send(Replication::conntrackd_direct);
  const double limit = per_second(kFlows, raw.elapsed);
  print_row("full send: flows/s", fmt::format("{:.0f}", ours.rate), fmt::format("{:.0f}", theirs.rate),
            fmt::format("{:.2f}", ours.rate / theirs.rate));
  print_row("full send: of the raw batched injection", fmt::format("{:.2f}", ours.rate / limit),
            fmt::format("{:.2f}", theirs.rate / limit), fmt::format("{:.0f}/s", limit));
  print_row("full send: missing at its end", fmt::format("{}", kFlows - ours.landed),
            fmt::format("{}", kFlows - theirs.landed), "");
  print_row("full send: CPU a flow, both", per_flow_us(ours.processor, kFlows),
            per_flow_us(theirs.processor, kFlows), "us");
  bounds.expect(ours.rate >= 0.8 * limit, "a full send lands at 0.8 of the raw batched injection rate");
  bounds.expect(ours.landed == kFlows, "a full send lands whole");
}

// ---- a burst

struct Burst {
  std::size_t lost = 0;
  double rate = 0;
  std::optional<Duration> complete;
};

Burst measure_burst(Replication replication) {
  Running pair(replication);
  pair.start_standby();
  const PreparedFlows flows(kFlows);
  const PreparedFlows::Cost cost = flows.create_in(pair.lab.network(Node::fw_1));
  const Instant end = monotonic_now();
  Burst result{.rate = per_second(kFlows, cost.elapsed)};
  const bool all = lab::wait_until(kAfterBurst, [&] { return pair.carried() >= kFlows; }, 2ms);
  result.lost = kFlows - std::min(kFlows, pair.carried());
  if (!all) {
    for (const Node node : {Node::fw_1, Node::fw_2}) fmt::print("{}\n", pair.replicator->account(node));
  }
  if (all || lab::wait_until(60s, [&] { return pair.carried() >= kFlows; }, 20ms)) {
    result.complete = monotonic_now() - end;
  }
  return result;
}

void bench_burst(Bounds& bounds) {
  const Burst ours = measure_burst(Replication::ours);
  const Burst theirs = measure_burst(Replication::conntrackd_direct);
  const auto until = [](const Burst& burst) {
    return burst.complete ? fmt::format("{:.1f} ms", in_milliseconds(*burst.complete)) : "never";
  };
  print_row("burst: flows/s made", fmt::format("{:.0f}", ours.rate), fmt::format("{:.0f}", theirs.rate), "");
  print_row("burst: missing after 1 s", fmt::format("{}", ours.lost), fmt::format("{}", theirs.lost), "");
  print_row("burst: complete after", until(ours), until(theirs), "");
  bounds.expect(ours.lost == 0, "a burst lost nothing after 1 s");
}

// ---- the commit of a cache

Duration measure_commit(Replication replication) {
  Running pair(replication);
  pair.start_standby();
  PreparedFlows(kFlows).create_in(pair.lab.network(Node::fw_1), kPerSecond);
  pair.wait_for(kFlows);
  return pair.replicator->commit(kFlows);
}

void bench_commit(Bounds& bounds) {
  const double limit = per_second(kFlows, raw_injection(kFlows).elapsed);
  const double ours = per_second(kFlows, measure_commit(Replication::ours_cache));
  const double theirs = per_second(kFlows, measure_commit(Replication::conntrackd_cache));
  print_row("cache: flows/s committed", fmt::format("{:.0f}", ours), fmt::format("{:.0f}", theirs),
            fmt::format("{:.2f}", ours / theirs));
  print_row("of the raw batched injection", fmt::format("{:.2f}", ours / limit),
            fmt::format("{:.2f}", theirs / limit), fmt::format("{:.0f}/s", limit));
  bounds.expect(ours >= 0.9 * limit, "a cache commits at 0.9 of the raw batched injection rate");
}

// ---- growth

// Processor time a flow beyond what the standby's kernel takes for the injection alone.
double own_us(std::size_t flows, int times) {
  double sum = 0;
  for (int time = 0; time < times; ++time) {
    Running pair(Replication::ours);
    pair.start_standby();
    const PreparedFlows prepared(flows);
    const Duration before = pair.processor_time();
    prepared.create_in(pair.lab.network(Node::fw_1), kPerSecond);
    pair.wait_for(flows);
    const Duration ours = pair.processor_time() - before;
    sum += per_flow_us(ours, flows) - per_flow_us(raw_injection(flows).processor, flows);
  }
  return sum / times;
}

void bench_growth(Bounds& bounds) {
  const std::size_t few = sized(10'000);
  const std::size_t many = sized(1'000'000);
  const double at_few = own_us(few, 5);
  const double at_many = own_us(many, 1);
  fmt::print(
      "[bench replication] CPU a flow beyond the raw injection: {:.2f} us at {}, {:.2f} us at {}, ratio "
      "{:.2f}\n",
      at_few, few, at_many, many, at_many / at_few);
  bounds.expect(at_many <= 1.3 * at_few, "CPU a flow grows by at most 1.3 from 10,000 to 1,000,000 flows");
}

// ---- a takeover with a full table

void bench_takeover(Bounds& bounds) {
  const std::size_t flows = sized(1'000'000);
  lab::Scenario scenario({.name = "million", .flows = flows});
  scenario.begin();
  scenario.crash(Node::fw_1);
  scenario.expect_primary(Node::fw_2, 10s);
  scenario.expect_everything_lives(Node::fw_2, "fw-1 crashed");
  const auto timeline = scenario.appliance(Node::fw_2).last_takeover();
  const double work = timeline ? timeline->total_ms : 1e9;
  fmt::print("[bench replication] takeover with {} flows: {}\n", flows,
             timeline ? timeline->line : "no timeline");
  bounds.expect(work < 10, "the work of a takeover with 1,000,000 flows is below 10 ms");
  for (const std::string& problem : scenario.problems()) bounds.expect(false, problem);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::pair<std::string_view, void (*)(Bounds&)>> measures{
      {"cpu", bench_new_flows},    {"cache", bench_cache},   {"full-send", bench_full_send},
      {"burst", bench_burst},      {"commit", bench_commit}, {"growth", bench_growth},
      {"takeover", bench_takeover}};
  const std::span<char*> wanted(argv + 1, static_cast<std::size_t>(argc - 1));
  // Both tables of a million flows, in the buckets that an operator of such a pair would give them.
  const KernelLimits limits({.entries = 2'600'000, .buckets = 1'048'576});
  print_row("", "ours", "conntrackd", "ratio");
  Bounds bounds;
  for (const auto& [name, measure] : measures) {
    if (wanted.empty() || std::ranges::any_of(wanted, [&](const char* word) { return name == word; })) {
      try {
        measure(bounds);
      } catch (const lab::LabError& error) {
        bounds.expect(false, fmt::format("{}: {}", name, error.what()));
      }
    }
  }
  return bounds.verdict();
}
