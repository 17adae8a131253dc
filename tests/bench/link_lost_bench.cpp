// One link of the primary is lost, at 1 s intervals: the time until the other firewall claims every leg.
#include <fmt/core.h>

#include "appliance/base/clock.hpp"
#include "tests/bench/figures.hpp"
#include "tests/bench/pair.hpp"

using namespace ftfw;
using namespace ftfw::bench;

namespace {

constexpr Duration kInterval = 1s;
constexpr int kRounds = 3;
constexpr Duration kWork = 50ms;

Duration run_round(Make make) {
  const auto pair = Pair::create(make, kInterval);
  pair->start_primary();
  pair->start_backup();
  const interop::Leg& inside = pair->dialect().legs[0];
  const interop::Leg& outside = pair->dialect().legs[1];
  const std::size_t mark = pair->wire().mark();
  const Instant begin = monotonic_now();
  pair->lab().cut(lab::Node::fw_1, outside.interface);
  pair->wait_for_backup(mark, 30s);
  const auto first_inside = pair->wire().first(lab::Node::fw_2, inside, interop::Kind::claim, mark);
  const auto first_outside = pair->wire().first(lab::Node::fw_2, outside, interop::Kind::claim, mark);
  return std::max(*first_inside, *first_outside) - begin;
}

}  // namespace

int main() {
  std::vector<Duration> ours;
  std::vector<Duration> theirs;
  for (int round = 0; round < rounds(kRounds); ++round) {
    ours.push_back(run_round(Make::ours));
    theirs.push_back(run_round(Make::keepalived));
  }
  const Distribution own(ours);
  const Distribution other(theirs);
  fmt::print(
      "[bench link lost 1 s] ours median {:.1f} max {:.1f} ms, keepalived median {:.1f} max {:.1f} ms, ratio "
      "{:.2f}\n",
      in_milliseconds(own.median()), in_milliseconds(own.max()), in_milliseconds(other.median()),
      in_milliseconds(other.max()), in_milliseconds(own.median()) / in_milliseconds(other.median()));
  Bounds bounds;
  interop::Dialect dialect = interop::sync_group();
  dialect.interval = kInterval;
  bounds.expect_at_most("our longest time until the other is primary", own.max(),
                        interop::skew(dialect, Pair::kBackupsPriority) + kWork);
  bounds.expect(own.max() <= other.median(), "ours is no longer than keepalived's");
  return bounds.verdict();
}
