// 100,000 bad VRRP packets a second at a primary that advertises each 10 ms: how far its advertisements move.
#include <fmt/core.h>

#include <charconv>

#include "appliance/base/clock.hpp"
#include "tests/bench/figures.hpp"
#include "tests/bench/flood.hpp"
#include "tests/bench/pair.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::bench;

namespace {

constexpr Duration kInterval = 10ms;
constexpr Duration kFlooded = 5s;

// Packets that fw-1 has received on eth1.
double received(lab::Lab& lab) {
  const std::string text =
      lab.run_well(lab::Node::fw_1, {"cat", "/sys/class/net/eth1/statistics/rx_packets"});
  double count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace

int main() {
  const auto pair = Pair::create(Make::ours, kInterval);
  pair->start_primary();
  const double received_before = received(pair->lab());
  const Duration used_before = pair->advertiser_time();
  const Instant begin = monotonic_now();
  const std::size_t mark = pair->wire().mark();
  std::uint64_t sent = 0;
  Instant end{};
  {
    const Flood flood(pair->lab(), pair->dialect().legs[0]);
    // The wait is the measurement.
    lab::wait_until(kFlooded, [] { return false; }, 50ms);
    sent = flood.sent();
    end = monotonic_now();
  }
  const double seconds = std::chrono::duration<double>(end - begin).count();
  const double arrived = (received(pair->lab()) - received_before) / seconds;
  const Duration used = pair->advertiser_time() - used_before;
  const Distribution late(lateness(*pair, mark));
  fmt::print(
      "[bench flood 10 ms] {:.0f} packets/s sent, {:.0f} arrived; advertisements late p50 {:.2f} p99.9 "
      "{:.2f} max {:.2f} ms "
      "(least {:.2f}), of {} gaps; vrrp thread {:.0f} % of a processor\n",
      static_cast<double>(sent) / seconds, arrived, in_milliseconds(late.median()),
      in_milliseconds(late.at(0.999)), in_milliseconds(late.max()), in_milliseconds(late.at(0)), late.size(),
      100.0 * std::chrono::duration<double>(used).count() / seconds);
  Bounds bounds;
  bounds.expect_at_most("the latest advertisement", late.max(), kInterval);
  bounds.expect(-late.at(0) <= kInterval, "no advertisement is early by an interval");
  bounds.expect(late.size() >= static_cast<std::size_t>(2 * (kFlooded / kInterval) * 9 / 10),
                "as many advertisements as there should be");
  bounds.expect(arrived >= 0.9 * static_cast<double>(Flood::kPacketsPerSecond),
                "the flood has the rate it should have");
  return bounds.verdict();
}
