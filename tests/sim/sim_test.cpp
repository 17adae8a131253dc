// Whole pairs under the virtual clock: scenarios by name, and seeds that draw their faults. A seed that fails is
// printed; run it alone with FTFW_SIM_SEED=N, and more of them with FTFW_SIM_SEEDS=COUNT.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "tests/sim/world.hpp"

using namespace ftfw;
using namespace ftfw::sim;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void require_sound(const World& world) {
  INFO(world.violation().value_or(""));
  REQUIRE_FALSE(world.violation());
}

// A fault, its duration, and everything mended again.
void one_fault(World& world) {
  Random& random = world.random();
  const auto pick = [&random](int count) { return std::uniform_int_distribution<int>(0, count - 1)(random); };
  const std::size_t node = chance(random, 0.7) ? world.primary().value_or(0) : static_cast<std::size_t>(pick(2));
  const auto leg = static_cast<std::size_t>(pick(2));
  const Duration lasts = between(random, 50ms, 6s);
  switch (pick(11)) {
    case 0:
      world.crash(node);
      world.run(lasts);
      world.start(node);
      break;
    case 1:
      world.reboot(node);
      world.run(lasts);
      world.start(node);
      break;
    case 2:
      world.stall(node);
      world.run(lasts);
      world.resume(node);
      break;
    case 3:
      world.stop_gracefully(node);
      world.run(lasts + 2s);
      world.start(node);
      break;
    case 4:
      world.cut_leg(node, leg);
      world.run(lasts);
      world.restore_leg(node, leg);
      break;
    case 5:
      world.mute_leg(node, leg, true);
      world.run(lasts);
      world.mute_leg(node, leg, false);
      break;
    case 6:
      world.cut_dedicated(true);
      world.run(lasts);
      world.cut_dedicated(false);
      break;
    case 7:
      world.mute_dedicated(node, true);
      world.run(lasts);
      world.mute_dedicated(node, false);
      break;
    case 8:
      world.set_dedicated_faults({.loss = 0.3, .duplicate = 0.1, .delay_min = 20us, .delay_max = 3ms});
      world.run(lasts);
      world.set_dedicated_faults({});
      break;
    case 9:
      world.set_leg_faults({.loss = 0.1, .duplicate = 0.1, .delay_min = 20us, .delay_max = 2ms});
      world.run(lasts);
      world.set_leg_faults({});
      break;
    case 10:
      world.lose_events(node, 5);
      world.run(lasts);
      break;
  }
}

// The history of a seed that broke something; nothing for a sound one.
std::optional<std::string> run_seed(std::uint64_t seed) {
  World world(seed);
  world.run_until_settled();
  for (int fault = 0; fault < 3 && !world.violation(); ++fault) {
    world.run(between(world.random(), 0s, 3s));
    one_fault(world);
    // Half of the time the next fault comes before everything is well again.
    if (chance(world.random(), 0.5)) world.run_until_settled();
  }
  world.run_until_settled();
  if (!world.violation()) return std::nullopt;
  return world.history();
}

}  // namespace

TEST_CASE("two nodes start together: the higher priority is primary and the tables become equal") {
  World world(1);
  world.run_until_settled();
  require_sound(world);
  CHECK(world.primary() == 0);
}

TEST_CASE("a crash of the primary resets no connection that the standby had") {
  World world(2);
  world.run_until_settled();
  world.run(9s);
  world.crash(0);
  world.run(1s);
  CHECK(world.node(1).is_primary());
  world.start(0);
  world.run(2s);
  world.run_until_settled();
  require_sound(world);
  CHECK(world.primary() == 0);
}

TEST_CASE("a stopped process loses its addresses by the lease, and resumed it does not fight") {
  World world(3);
  world.run_until_settled();
  world.run(9s);
  world.stall(0);
  world.run(4500ms);
  CHECK_FALSE(world.node(0).holds_addresses());
  CHECK(world.primary() == 1);
  world.resume(0);
  world.run_until_settled();
  require_sound(world);
}

TEST_CASE("a planned stop hands over without a reset") {
  World world(4);
  world.run_until_settled();
  world.run(9s);
  world.stop_gracefully(0);
  world.run(2s);
  CHECK(world.primary() == 1);
  CHECK(world.resets() == 0);
  require_sound(world);
}

TEST_CASE("one leg of the primary lost: the other node has both") {
  World world(5);
  world.run_until_settled();
  world.run(9s);
  world.cut_leg(0, 1);
  world.run(1s);
  CHECK(world.primary() == 1);
  world.restore_leg(0, 1);
  world.run_until_settled();
  require_sound(world);
}

TEST_CASE("the only node left gets its process back and its connections live on") {
  World world(6);
  world.run_until_settled();
  world.run(9s);
  world.reboot(0);
  world.run(2s);
  world.crash(1);
  world.run(10s);
  CHECK(world.node(1).holds_addresses());  // the lease of a lone node is longer than a restart
  world.start(1);
  world.run(2s);
  CHECK(world.primary() == 1);
  CHECK(world.resets() == 0);
  require_sound(world);
}

TEST_CASE("seeded faults: no invariant breaks, and every pair settles") {
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
