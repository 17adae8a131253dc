// What benches print: distributions of durations, and bounds that were kept or broken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"

namespace ftfw::bench {

class Distribution {
 public:
  explicit Distribution(std::vector<Duration> values);  // sorts them

  bool empty() const { return values_.empty(); }
  std::size_t size() const { return values_.size(); }
  // The smallest value that this share of all does not exceed; share 1 is the greatest. Not of nothing.
  Duration at(double share) const;
  Duration median() const { return at(0.5); }
  Duration max() const { return at(1.0); }

 private:
  std::vector<Duration> values_;
};

// Notes a broken bound and says so; the program's exit code is that of verdict(). With FTFW_BENCH_SMOKE in
// the environment a broken bound is said but not judged: so the test run sees that a bench works, whatever
// else the machine does.
class Bounds {
 public:
  void expect_at_most(const std::string& what, Duration value, Duration bound);
  void expect(bool kept, const std::string& what);
  int verdict() const;

 private:
  bool broken_ = false;
};

// FTFW_BENCH_ROUNDS in the environment, or this many.
int rounds(int usual);

}  // namespace ftfw::bench
