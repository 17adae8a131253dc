#include "tests/bench/figures.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace ftfw::bench {

Distribution::Distribution(std::vector<Duration> values) : values_(std::move(values)) {
  std::ranges::sort(values_);
}

Duration Distribution::at(double share) const {
  const double rank = std::ceil(share * static_cast<double>(values_.size()));
  return values_.at(static_cast<std::size_t>(std::max(rank, 1.0)) - 1);
}

void Bounds::expect(bool kept, const std::string& what) {
  if (kept) return;
  broken_ = true;
  fmt::print("[bench] BOUND BROKEN: {}\n", what);
}

void Bounds::expect_at_most(const std::string& what, Duration value, Duration bound) {
  expect(value <= bound, fmt::format("{} is {:.1f} ms, more than {:.1f} ms", what, in_milliseconds(value),
                                     in_milliseconds(bound)));
}

int Bounds::verdict() const {
  return broken_ && std::getenv("FTFW_BENCH_SMOKE") == nullptr ? 1 : 0;
}

int rounds(int usual) {
  const char* given = std::getenv("FTFW_BENCH_ROUNDS");
  return given == nullptr ? usual : std::max(1, std::atoi(given));
}

}  // namespace ftfw::bench
