// The election alone, under the virtual clock: scenarios by name, and seeds that draw a world and its faults.
// A seed that fails is printed with its history; run it alone with FTFW_SIM_SEED=N, and more of them with
// FTFW_SIM_SEEDS=COUNT.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include "tests/sim/election_world.hpp"

using namespace ftfw;
using namespace ftfw::sim;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Fault {
  std::string name;
  std::function<void()> begin;
  std::function<void()> mend;
};

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// Of one direction between two nodes on one network, or of every wire there is.
Fault draw_wire_fault(ElectionWorld& world) {
  Random& random = world.random();
  const std::size_t leg = pick(random, world.legs());
  const std::size_t from = pick(random, world.nodes());
  const std::size_t to = (from + 1 + pick(random, world.nodes() - 1)) % world.nodes();
  if (chance(random, 0.4)) {
    return {fmt::format("leg {} cut from {} to {}", leg, from, to),
            [&world, leg, from, to] { world.cut(leg, from, to); },
            [&world, leg, from, to] { world.restore(leg, from, to); }};
  }
  PathFaults faults;
  faults.loss = chance(random, 0.6) ? 0.1 + 0.05 * static_cast<double>(pick(random, 9)) : 0;
  faults.duplicate = chance(random, 0.4) ? 0.3 : 0;
  if (chance(random, 0.5)) faults.delay_max = between(random, 0s, 3 * world.interval()) + faults.delay_min;
  const bool everywhere = chance(random, 0.4);
  const auto each = [&world, everywhere, leg, from, to](const auto& act) {
    for (std::size_t l = 0; l < world.legs(); ++l) {
      for (std::size_t a = 0; a < world.nodes(); ++a) {
        for (std::size_t b = 0; b < world.nodes(); ++b) {
          if (everywhere ? a != b : (l == leg && a == from && b == to)) act(l, a, b);
        }
      }
    }
  };
  return {
      fmt::format(
          "loss {:.2f}, duplicates {:.2f}, delay up to {} ms on {}", faults.loss, faults.duplicate,
          in_milliseconds(faults.delay_max),
          everywhere ? std::string("every wire") : fmt::format("leg {} from {} to {}", leg, from, to)),
      [&world, each, faults] {
        each([&](std::size_t l, std::size_t a, std::size_t b) { world.set_faults(l, a, b, faults); });
      },
      [&world, each] { each([&](std::size_t l, std::size_t a, std::size_t b) { world.mend(l, a, b); }); }};
}

Fault draw_node_fault(ElectionWorld& world) {
  Random& random = world.random();
  const std::size_t index = chance(random, 0.6) ? world.primary().value_or(0) : pick(random, world.nodes());
  ElectionNode& node = world.node(index);
  const std::size_t leg = pick(random, world.legs());
  const auto named = [index](std::string_view what) { return fmt::format("node {} {}", index, what); };
  switch (pick(random, 8)) {
    case 0:
      return {named("crashes"), [&node] { node.crash(); }, [&node] { node.start(); }};
    case 1:
      return {named(fmt::format("loses the link of leg {}", leg)),
              [&node, leg] { node.set_link(leg, false); }, [&node, leg] { node.set_link(leg, true); }};
    case 2:
      return {named("stalls"), [&node] { node.stall(); }, [&node] { node.resume(); }};
    case 3:
      return {named("is suspended, its clock with it"), [&node] { node.suspend(); },
              [&node] { node.wake(true); }};
    case 4:
      return {named("is suspended, its clock goes on"), [&node] { node.suspend(); },
              [&node] { node.wake(false); }};
    case 5:
      return {named("releases"), [&node] { node.release(); }, [&node] { node.reclaim(); }};
    case 6: {
      const int adjustment = static_cast<int>(pick(random, 507)) - 253;
      const bool back = chance(random, 0.5);
      return {named(fmt::format("gets {:+} on its priority", adjustment)),
              [&node, adjustment] { node.adjust_priority(adjustment); },
              [&node, back] {
                if (back) node.adjust_priority(0);
              }};
    }
    default:
      // Half of the time it never is again: sync_wait must end the block then.
      return {named("is not in sync"), [&node] { node.set_in_sync(false); },
              [&node, back = chance(random, 0.5)] {
                if (back) node.set_in_sync(true);
              }};
  }
}

void begin(ElectionWorld& world, const Fault& fault) {
  world.record(fault.name);
  fault.begin();
}

void mend(ElectionWorld& world, const Fault& fault) {
  world.record("over: " + fault.name);
  fault.mend();
}

void run_a_while(ElectionWorld& world, double most_intervals) {
  world.run_intervals(std::uniform_real_distribution<double>(0, most_intervals)(world.random()));
}

// Faults that overlap in any way, and everything mended again.
void some_faults(ElectionWorld& world) {
  Random& random = world.random();
  constexpr std::size_t kMostAtOnce = 4;
  constexpr double kMostIntervals = 12;
  std::vector<Fault> open;
  const std::size_t count = 1 + pick(random, kMostAtOnce);
  for (std::size_t i = 0; i < count; ++i) {
    open.push_back(chance(random, 0.4) ? draw_wire_fault(world) : draw_node_fault(world));
    begin(world, open.back());
    run_a_while(world, kMostIntervals);
    if (!chance(random, 0.3)) continue;
    mend(world, open.back());
    open.pop_back();
    run_a_while(world, kMostIntervals);
  }
  while (!open.empty()) {
    const std::size_t one = pick(random, open.size());
    mend(world, open[one]);
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(one));
    if (chance(random, 0.5)) run_a_while(world, kMostIntervals / 2);
  }
}

// The history of a seed that broke something; nothing for a sound one.
std::optional<std::string> run_seed(std::uint64_t seed) {
  ElectionWorld world(seed, draw_election_plan);
  for (std::size_t i = 0; i < world.nodes(); ++i) {
    world.record(fmt::format("node {} starts", i));
    world.node(i).start();
    if (chance(world.random(), 0.5)) run_a_while(world, 6);
  }
  world.run_until_settled();
  for (int round = 0; round < 3 && !world.violation(); ++round) {
    some_faults(world);
    // Half of the time the next faults come before everything is well again.
    if (chance(world.random(), 0.5)) world.run_until_settled();
  }
  world.run_until_settled();
  if (!world.violation()) return std::nullopt;
  return world.history();
}

void require_sound(const ElectionWorld& world) {
  INFO(world.history());
  REQUIRE_FALSE(world.violation());
}

// Version 3, 100 ms: nodes in the order of their priorities, settled.
struct Settled {
  explicit Settled(std::vector<std::uint8_t> priorities, std::size_t legs = 2)
      : world(1, [=](Random&) { return simple_election_plan(priorities, legs); }) {
    for (std::size_t i = 0; i < world.nodes(); ++i) world.node(i).start();
    world.run_until_settled();
    require_sound(world);
  }
  ElectionWorld world;
};

// Of priority 100 at an interval of 100 ms: 156/256 of it.
constexpr Duration kSkew = 61ms;
constexpr Duration kMargin = 1ms;

}  // namespace

TEST_CASE("nodes that start together: the highest priority is primary") {
  Settled three({100, 200, 150}, 3);
  CHECK(three.world.primary() == 1);
}

TEST_CASE("silence: the next best takes over after three intervals and its skew") {
  Settled pair({200, 100});
  pair.world.node(0).crash();
  pair.world.run(200ms + kSkew - kMargin);  // its last advertisement is up to an interval old
  CHECK_FALSE(pair.world.node(1).active());
  pair.world.run(100ms + 2 * kMargin);
  CHECK(pair.world.node(1).active());
  require_sound(pair.world);
}

TEST_CASE("a release: the next best takes over after its skew") {
  Settled pair({200, 100});
  pair.world.node(0).release();
  CHECK_FALSE(pair.world.node(0).active());
  pair.world.run(kSkew + kMargin);
  CHECK(pair.world.node(1).active());
  require_sound(pair.world);
}

TEST_CASE("one of five legs lost: the next best has all of them after its skew") {
  Settled pair({200, 100}, 5);
  pair.world.node(0).set_link(3, false);
  pair.world.run(kSkew + kMargin);
  CHECK(pair.world.node(1).active());
  require_sound(pair.world);
}

TEST_CASE("one way of one leg cut: the Backup stays one, by the legs on which it hears") {
  Settled pair({200, 100}, 3);
  pair.world.cut(1, 0, 1);
  pair.world.run(10s);
  CHECK(pair.world.primary() == 0);
  require_sound(pair.world);
}

TEST_CASE("a tie whose addresses are ordered differently on each leg is decided once") {
  ElectionWorld world(1, [](Random&) {
    ElectionPlan plan = simple_election_plan({100, 100}, 2);
    std::swap(plan.addresses[1][0], plan.addresses[1][1]);
    return plan;
  });
  world.node(0).start();
  world.node(1).start();
  world.run_until_settled();
  require_sound(world);
  CHECK(world.primary() == 1);  // by the first leg
}

TEST_CASE("a tie after a cut: one of two primaries gives way, whatever the order on each leg") {
  ElectionWorld world(1, [](Random&) {
    ElectionPlan plan = simple_election_plan({100, 100}, 2);
    std::swap(plan.addresses[1][0], plan.addresses[1][1]);
    return plan;
  });
  const auto both_ways = [&world](auto act) {
    for (std::size_t leg = 0; leg < world.legs(); ++leg) {
      act(leg, 0, 1);
      act(leg, 1, 0);
    }
  };
  both_ways([&world](std::size_t leg, std::size_t from, std::size_t to) { world.cut(leg, from, to); });
  world.node(0).start();
  world.node(1).start();
  world.run(2s);
  REQUIRE(world.node(0).active());
  REQUIRE(world.node(1).active());
  both_ways([&world](std::size_t leg, std::size_t from, std::size_t to) { world.restore(leg, from, to); });
  world.run(150ms);
  CHECK(world.primary() == 1);  // by the first leg
  world.run_until_settled();
  require_sound(world);
}

TEST_CASE("a suspended primary does not come back as one before it has listened") {
  Settled pair({200, 100});
  pair.world.record("suspended");
  pair.world.node(0).suspend();
  pair.world.run(2s);
  CHECK(pair.world.node(1).active());
  pair.world.record("wakes");
  pair.world.node(0).wake(false);
  pair.world.run(kMargin);
  CHECK_FALSE(pair.world.node(0).active());
  pair.world.run_until_settled();
  CHECK(pair.world.primary() == 0);
  require_sound(pair.world);
}

TEST_CASE("a suspended primary that is told to release when it wakes does not disturb its successor") {
  Settled three({200, 150, 1}, 3);
  ElectionWorld& world = three.world;
  world.record("suspended");
  world.node(0).suspend();
  world.run(2s);
  CHECK(world.primary() == std::nullopt);  // the suspended one still thinks that it is
  world.node(0).release();
  world.record("wakes");
  world.node(0).wake(false);
  CHECK_FALSE(world.node(0).active());
  world.run(2s);
  CHECK(world.primary() == 1);
  CHECK(world.node(0).engine()->counters().routers.at(0).priority_zero_sent == 0);
  require_sound(world);
}

TEST_CASE("a primary whose clock stood still with it: one of the two gives way at the first advertisement") {
  Settled pair({200, 100});
  pair.world.node(0).suspend();
  pair.world.run(2s);
  pair.world.node(0).wake(true);
  pair.world.run(100ms + kMargin);
  CHECK(pair.world.primary() == 0);
  pair.world.run_until_settled();
  require_sound(pair.world);
}

TEST_CASE("a Backup that slept does not claim against a living primary, however often") {
  Settled pair({200, 100});
  for (int time = 0; time < 3; ++time) {
    pair.world.record("suspended");
    pair.world.node(1).suspend();
    pair.world.run(5s);
    pair.world.record("wakes");
    pair.world.node(1).wake(false);
    pair.world.run(5s);
  }
  require_sound(pair.world);
  CHECK(pair.world.primary() == 0);
}

TEST_CASE("seeded elections: no invariant breaks, and the right node is primary in the end") {
  if (const std::uint64_t seed = number_from("FTFW_SIM_SEED", 0)) {
    const auto violation = run_seed(seed);
    INFO("seed " << seed << ":\n" << violation.value_or(""));
    CHECK_FALSE(violation);
    return;
  }
  const std::uint64_t count = number_from("FTFW_SIM_SEEDS", 1000);
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t failed = 0;
  for (std::uint64_t seed = 1; seed <= count && failed < 3; ++seed) {
    const auto violation = run_seed(seed);
    if (violation) ++failed;
    INFO("seed " << seed << ":\n" << violation.value_or(""));
    CHECK_FALSE(violation);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  MESSAGE(count << " seeds in " << seconds << " s, " << failed << " failed");
}
