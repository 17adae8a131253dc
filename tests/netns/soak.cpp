// ftfw-soak: random faults over a real pair under traffic, as long as it is told. Prints its seed first, a
// line for each fault and its end, and the sum; the same seed draws the same faults. Exit code 1 at the first
// thing that does not become well again.
//
// usage: ftfw-soak --seconds S [--seed N]     faults at random until the time is over
//
//        ftfw-soak --each-once [--seed N]     every fault once, in an order that the seed draws
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <optional>
#include <random>
#include <string_view>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/soak_pair.hpp"

namespace {

using namespace ftfw;
using namespace ftfw::lab;

struct Order {
  std::optional<std::uint64_t> seconds;  // nothing: each fault once
  std::uint64_t seed = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Order> order_of(int count, char** words) {
  Order order{.seconds = std::nullopt, .seed = std::random_device()()};
  bool told = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--each-once") {
      told = true;
      continue;
    }
    const auto value = i + 1 < count ? number(words[++i]) : std::nullopt;
    if (!value) return std::nullopt;
    if (word == "--seconds") {
      order.seconds = value;
      told = true;
    } else if (word == "--seed") {
      order.seed = *value;
    } else {
      return std::nullopt;
    }
  }
  return told ? std::optional(order) : std::nullopt;
}

// The faults to come: all of them, in another order each time, so that none is left out for long.
class Deck {
 public:
  explicit Deck(std::uint64_t seed) : random_(seed) {}

  std::size_t draw() {
    if (cards_.empty()) {
      cards_.resize(SoakPair::faults().size());
      std::iota(cards_.begin(), cards_.end(), std::size_t{0});
      std::shuffle(cards_.begin(), cards_.end(), random_);
    }
    const std::size_t card = cards_.back();
    cards_.pop_back();
    return card;
  }

 private:
  std::mt19937_64 random_;
  std::vector<std::size_t> cards_;
};

bool soak(const Order& order) {
  const std::vector<std::string> faults = SoakPair::faults();
  const Instant begin = monotonic_now();
  const auto seconds = [&] { return in_milliseconds(monotonic_now() - begin) / 1000; };
  Deck deck(order.seed);
  SoakPair pair(order.seed);
  std::string problem = pair.judge();
  std::size_t inflicted = 0;
  const auto more = [&] {
    if (!order.seconds) return inflicted < faults.size();
    return seconds() < static_cast<double>(*order.seconds);
  };
  while (problem.empty() && more()) {
    const std::string& name = faults[deck.draw()];
    const auto fault = static_cast<std::size_t>(&name - faults.data());
    fmt::print("[soak] {:7.1f} s  {}\n", seconds(), name);
    std::fflush(stdout);
    pair.inflict(fault);
    const double mended = seconds();
    problem = pair.judge();
    ++inflicted;
    if (!problem.empty()) break;
    fmt::print(
        "[soak] {:7.1f} s    well {:.1f} s after it was mended: {} flows on both, {} connections live\n",
        seconds(), seconds() - mended, pair.flows(), pair.connections());
    std::fflush(stdout);
  }
  if (!problem.empty())
    fmt::print("[soak] NOT WELL after seed {}, fault {}: {}\n", order.seed, inflicted, problem);
  fmt::print("[soak] seed {}: {} faults in {:.0f} s, {}\n", order.seed, inflicted, seconds(),
             problem.empty() ? "all well" : "FAILED");
  return problem.empty();
}

}  // namespace

int main(int count, char** words) {
  const std::optional<Order> order = order_of(count, words);
  if (!order) {
    fmt::print(stderr, "usage: ftfw-soak --seconds S | --each-once  [--seed N]\n");
    return 2;
  }
  fmt::print("[soak] seed {}\n", order->seed);
  std::fflush(stdout);
  try {
    return soak(*order) ? 0 : 1;
  } catch (const LabError& error) {
    fmt::print("[soak] seed {}: {}\n", order->seed, error.what());
    return 1;
  }
}
