// The time without an answer when the primary's machine loses its power right after an advertisement: a UDP
// probe each millisecond through the pair, ours against keepalived, in turns. usage: bench-takeover MS...
#include <fmt/core.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tests/bench/figures.hpp"
#include "tests/bench/pair.hpp"
#include "tests/netns/lab/probe.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::bench;

namespace {

struct Setting {
  Duration interval;
  int rounds;
};
constexpr std::array kSettings{Setting{1s, 3}, Setting{100ms, 7}, Setting{10ms, 9}};
constexpr Duration kFlowing = 5s;
// Beyond the time to notice; at 10 ms the whole is bounded instead.
constexpr Duration kWork = 10ms;
constexpr Duration kWholeAt10ms = 60ms;

struct Gaps {
  std::vector<Duration> gaps;
  std::vector<Duration> detections;  // from the last advertisement of the old Active to the first of the new
};

void run_round(Make make, Duration interval, Gaps& into) {
  const auto pair = Pair::create(make, interval);
  pair->start_primary();
  pair->start_backup();
  const lab::Services services(pair->lab());
  lab::Probe probe(pair->lab());
  // Neighbours are known and the flow is established.
  lab::wait_until(kFlowing, [&] { return probe.report().answered >= 200; });
  probe.begin();
  const std::size_t mark = pair->wire().mark();
  pair->crash_primary();
  pair->wait_for_backup(mark, 3 * interop::down_interval(pair->dialect(), Pair::kBackupsPriority) + 5s);
  const std::uint64_t answered = probe.report().answered;
  lab::wait_until(kFlowing, [&] { return probe.report().answered >= answered + 100; });
  into.gaps.push_back(probe.report().longest_gap);
  const auto change = pair->wire().change(lab::Node::fw_1, lab::Node::fw_2, mark);
  into.detections.push_back(change.value_or(Duration::max()));
}

void compare(const Setting& setting, Bounds& bounds) {
  Gaps ours;
  Gaps theirs;
  for (int round = 0; round < rounds(setting.rounds); ++round) {
    run_round(Make::ours, setting.interval, ours);
    run_round(Make::keepalived, setting.interval, theirs);
  }
  const Distribution own(ours.gaps);
  const Distribution other(theirs.gaps);
  const double ratio = in_milliseconds(own.median()) / in_milliseconds(other.median());
  const std::string name = fmt::format("{} ms", setting.interval / 1ms);
  fmt::print(
      "[bench takeover {}] ours median {:.1f} max {:.1f} ms, keepalived median {:.1f} max {:.1f} ms, ratio "
      "{:.2f}\n",
      name, in_milliseconds(own.median()), in_milliseconds(own.max()), in_milliseconds(other.median()),
      in_milliseconds(other.max()), ratio);
  const Distribution own_change(ours.detections);
  const Distribution other_change(theirs.detections);
  fmt::print(
      "[bench takeover {}] from the last advertisement to the new one's first: ours median {:.1f} max {:.1f} "
      "ms, keepalived "
      "median {:.1f} max {:.1f} ms\n",
      name, in_milliseconds(own_change.median()), in_milliseconds(own_change.max()),
      in_milliseconds(other_change.median()), in_milliseconds(other_change.max()));
  std::fflush(stdout);
  // A probe's own spacing is the resolution of the comparison.
  bounds.expect_at_most(name + ": our median gap against keepalived's", own.median(),
                        other.median() + lab::Probe::kInterval);
  interop::Dialect dialect = interop::sync_group();
  dialect.interval = setting.interval;
  const Duration noticed = interop::down_interval(dialect, Pair::kBackupsPriority);
  bounds.expect_at_most(name + ": our longest gap", own.max(),
                        setting.interval == 10ms ? kWholeAt10ms : noticed + kWork);
}

}  // namespace

int main(int argc, char** argv) {
  Bounds bounds;
  for (const Setting& setting : kSettings) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || std::atoi(argv[i]) == setting.interval / 1ms;
    if (wanted) compare(setting, bounds);
  }
  return bounds.verdict();
}
