#include "tests/unit/sync/pair.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace ftfw;
using namespace ftfw::sync;
using ftfw::sync::test::Pair;

namespace {

// Waits in virtual time; the last difference is what the failing check shows.
std::string settle(Pair& pair, std::size_t source, std::size_t replica, Duration longest) {
  std::string difference;
  for (const Instant end = pair.now + longest; pair.now < end;) {
    pair.run(100ms);
    difference = pair.difference(source, replica);
    if (difference.empty() && pair.nodes[replica].in_sync) return {};
  }
  return difference.empty() ? "not in sync" : difference;
}

void check_contract(const Pair& pair) {
  for (const Pair::Node& node : pair.nodes) {
    CHECK_MESSAGE(node.complaints.empty(), (node.complaints.empty() ? "" : node.complaints.front()));
    CHECK(node.longest_frame <= wire::kMaxFrameBytes);
    CHECK(node.engine->counters().frames_malformed == 0);
    CHECK(node.engine->counters().other_refusals == 0);
  }
}

// Returns whether the tables became equal without another overrun.
bool chaos(std::uint64_t seed, Duration compare_interval, Pair::Options options) {
  // Every mix of modes: each node has its own.
  Pair pair(seed, compare_interval, options, {seed % 2 == 0, seed % 4 >= 2});
  pair.network = {.loss = pair.chance(4) * 0.1,
                  .duplicates = pair.chance(3) * 0.1,
                  .longest_delay = std::chrono::milliseconds(1 + pair.chance(20))};
  std::size_t source = 0;
  for (int i = 0; i < pair.chance(100); ++i) pair.traffic(source);
  for (int i = 0; i < pair.chance(20); ++i) pair.nodes[1].kernel.traffic_creates(pair.new_flow());
  pair.become_source(source);
  const int steps = 500 + pair.chance(700);
  for (int i = 0; i < steps; ++i) {
    for (int n = pair.chance(4); n > 0; --n) pair.traffic(source);
    pair.step();
    switch (pair.chance(600)) {
      case 0:
        pair.restart(1 - source);
        break;
      case 1:
        pair.restart(source);
        pair.become_source(source);
        break;
      case 2:
      case 3:
        pair.overrun(source);
        break;
      case 4:
        pair.network.cut = true;
        break;
      case 5:
      case 6:
        pair.network.cut = false;
        break;
      case 7:  // a planned change of roles
        pair.become_replica(source);
        source = 1 - source;
        pair.become_source(source);
        break;
      default:
        break;
    }
  }
  pair.network.cut = false;
  const bool equal = settle(pair, source, 1 - source, 12s).empty();
  if (!equal) pair.overrun(source);
  CHECK(settle(pair, source, 1 - source, 5s) == "");
  check_contract(pair);
  return equal;
}

// FTFW_SEED=N runs one seed alone, FTFW_SEEDS=COUNT more of them. Returns for how many seeds the tables did
// not become equal by themselves.
int for_each_seed(std::uint64_t last, Duration compare_interval,
                  Pair::Options options = Pair::Options::usual) {
  const char* only = std::getenv("FTFW_SEED");
  if (const char* count = std::getenv("FTFW_SEEDS")) last = std::strtoull(count, nullptr, 10);
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  int unequal = 0;
  for (std::uint64_t seed = first; seed <= (only != nullptr ? first : last); ++seed) {
    CAPTURE(seed);
    if (!chaos(seed, compare_interval, options)) ++unequal;
  }
  MESSAGE(last << " seeds, " << unequal << " left something to the next compare");
  return unequal;
}

}  // namespace

TEST_CASE("an idle pair agrees, and the replica takes over what the source holds") {
  Pair pair(1);
  for (std::size_t i = 0; i < 300; ++i) pair.traffic(0);
  pair.become_source(0);
  CHECK(settle(pair, 0, 1, 2s) == "");
  CHECK(pair.nodes[0].peer.alive);
  CHECK(pair.nodes[1].peer.role == Role::source);
  CHECK(pair.nodes[1].engine->progress().index_entries > 0);
  check_contract(pair);
}

TEST_CASE(
    "loss, duplicates, reordering, cuts, overruns, restarts and changes of roles end with equal tables") {
  CHECK(for_each_seed(1000, 2s) == 0);
}

TEST_CASE("without periodic compares every doubt is healed by its own compares") {
  CHECK(for_each_seed(1000, 1h) == 0);
}

TEST_CASE(
    "seeds of chaos with states, ages and networks that do not travel: the tables become equal all the "
    "same") {
  CHECK(for_each_seed(1000, 2s, Pair::Options::drawn) == 0);
}
