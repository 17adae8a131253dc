// The cases of the interoperation matrix: two speakers of one dialect, one of greater priority, and what must
// be seen on the wire and in both kernels. Every case first brings about the state that it begins with.
// Nothing is thrown at a failed expectation: it is a problem of the case's result.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/interop/speaker.hpp"
#include "tests/interop/wire.hpp"

namespace ftfw::interop {

struct Result {
  std::vector<std::string> problems;
  std::optional<Duration> figure;  // what the case measures; its comment in duel.cpp says what
};

class Duel {
 public:
  static constexpr int kHigh = 150;
  static constexpr int kLow = 100;

  Duel(lab::Lab& lab, const lab::AdvertisementCapture& capture, Speaker& high, Speaker& low, Dialect dialect);

  Result election();
  Result restart_of_the_backup();
  Result silence();
  Result preemption();
  Result restart_of_the_active();
  Result link_lost();  // of a group: one leg of the Active
  Result release();    // priority 0
  Result no_preemption();
  // Both have one priority; who is on fw-2 has the greater address.
  Result equal_priority();

 private:
  enum class Stage { nothing, both, low_alone };
  struct Case {
    Result result;
    std::size_t mark = 0;
  };

  Terms terms(int priority) const { return {dialect_, priority, true}; }
  bool wait(Duration at_most, const std::function<bool()>& condition) const;
  Duration patience() const { return 3 * down_interval(dialect_, kLow) + 10s; }
  bool reach(Stage stage, Result& result);
  void end_both();
  Result finish(Result result, Stage stage);
  void expect(Result& result, bool condition, const std::string& what) const;
  void expect_bounds(Result& result, std::optional<Duration> value, Duration least, Duration most,
                     const std::string& what) const;
  void expect_active(Result& result, Speaker& active, Speaker& other, bool other_lives);
  // SIGTERM of one, and the other one follows after its skew.
  void expect_release(Result& result, Speaker& leaver, Speaker& heir, int heirs_priority);

  lab::Lab& lab_;
  const lab::AdvertisementCapture& capture_;
  Speaker& high_;
  Speaker& low_;
  Dialect dialect_;
  Wire wire_;
  Stage stage_ = Stage::nothing;
};

}  // namespace ftfw::interop
