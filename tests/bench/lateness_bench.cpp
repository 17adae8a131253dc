// How late advertisements are, at 10 ms intervals, on a machine whose processors and disk are busy: ours with
// real-time scheduling, ours without, and keepalived as it comes.
#include <fmt/core.h>

#include "tests/bench/figures.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/pair.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::bench;

namespace {

constexpr Duration kInterval = 10ms;
constexpr Duration kMeasured = 8s;
constexpr Duration kPatience = 40s;

Distribution measure(const char* name, Make make, Scheduling scheduling) {
  const auto pair = Pair::create(make, kInterval);
  pair->start_primary(scheduling);
  const Load load(pair->lab());
  const std::size_t mark = pair->wire().mark();
  const auto wanted = static_cast<std::size_t>(kMeasured / kInterval) * pair->dialect().legs.size();
  lab::wait_until(kPatience, [&] { return pair->wire().mark() - mark >= wanted; }, 50ms);
  Distribution late(lateness(*pair, mark));
  fmt::print("[bench lateness 10 ms] {:<22} p50 {:.2f} p99 {:.2f} p99.9 {:.2f} max {:.2f} ms, of {} gaps\n",
             name, in_milliseconds(late.median()), in_milliseconds(late.at(0.99)),
             in_milliseconds(late.at(0.999)), in_milliseconds(late.max()), late.size());
  return late;
}

}  // namespace

int main() {
  Bounds bounds;
  const Distribution real_time = measure("ours, real time", Make::ours, Scheduling::real_time);
  const Distribution normal = measure("ours, normal", Make::ours, Scheduling::normal);
  const Distribution theirs = measure("keepalived, normal", Make::keepalived, Scheduling::normal);
  fmt::print(
      "[bench lateness 10 ms] p99.9 ratio: ours normal / real time {:.1f}, keepalived / ours real time "
      "{:.1f}\n",
      in_milliseconds(normal.at(0.999)) / in_milliseconds(real_time.at(0.999)),
      in_milliseconds(theirs.at(0.999)) / in_milliseconds(real_time.at(0.999)));
  bounds.expect_at_most("p99.9 with real-time scheduling", real_time.at(0.999), kInterval);
  return bounds.verdict();
}
