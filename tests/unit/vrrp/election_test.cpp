#include "vrrp/election.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"

using namespace ftfw::vrrp;
using ftfw::test::ip;

TEST_CASE("the verdict on an advertisement, row by row") {
  struct Row {
    State state;
    int own_priority;
    bool may_preempt;
    int heard_priority;
    const char* heard_address;  // ours is 192.0.2.5
    Verdict verdict;
  };
  constexpr const char* kLower = "192.0.2.4";
  constexpr const char* kGreater = "192.0.2.6";
  const Row rows[] = {
      {State::initialize, 100, true, 0, kGreater, Verdict::nothing},
      {State::initialize, 100, true, 255, kGreater, Verdict::nothing},
      {State::fault, 100, true, 0, kGreater, Verdict::nothing},
      {State::fault, 100, true, 50, kLower, Verdict::nothing},
      {State::backup, 100, true, 0, kLower, Verdict::await_skew},
      {State::backup, 100, false, 0, kGreater, Verdict::await_skew},
      {State::backup, 100, true, 101, kLower, Verdict::follow},
      {State::backup, 100, true, 100, kLower, Verdict::follow},
      {State::backup, 100, true, 99, kGreater, Verdict::let_timer_run},
      {State::backup, 100, false, 99, kGreater, Verdict::follow},
      {State::backup, 100, false, 101, kLower, Verdict::follow},
      {State::active, 100, true, 0, kGreater, Verdict::answer},
      {State::active, 100, true, 101, kLower, Verdict::step_down},
      {State::active, 100, false, 101, kLower, Verdict::step_down},
      {State::active, 100, true, 100, kGreater, Verdict::step_down},
      {State::active, 100, true, 100, kLower, Verdict::assert_claim},
      {State::active, 100, true, 99, kGreater, Verdict::assert_claim},
      {State::active, 255, true, 254, kGreater, Verdict::assert_claim},
      {State::active, 255, true, 255, kGreater, Verdict::step_down},
  };
  for (const Row& row : rows) {
    CAPTURE(to_string(row.state));
    CAPTURE(row.heard_priority);
    const OwnClaim own{row.state, static_cast<std::uint8_t>(row.own_priority), ip("192.0.2.5"),
                       row.may_preempt};
    CHECK(judge(own, {static_cast<std::uint8_t>(row.heard_priority), ip(row.heard_address)}) == row.verdict);
  }
}

TEST_CASE("addresses are compared as numbers in network order, not byte-reversed") {
  const OwnClaim own{State::active, 100, ip("10.0.0.255"), true};
  CHECK(judge(own, {100, ip("10.0.1.0")}) == Verdict::step_down);
}
