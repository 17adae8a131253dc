#include "tests/interop/duel.hpp"

#include <fmt/core.h>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::interop {
namespace {

// What a busy machine of two processors adds to a timer of a process without real-time priority, twice.
constexpr Duration kTolerance = 100ms;
// The peers round their timers to their own ticks.
constexpr Duration kTick = 15ms;

}  // namespace

Duel::Duel(lab::Lab& lab, const lab::AdvertisementCapture& capture, Speaker& high, Speaker& low,
           Dialect dialect)
    : lab_(lab),
      capture_(capture),
      high_(high),
      low_(low),
      dialect_(std::move(dialect)),
      wire_(capture_, dialect_) {}

// ---- what the cases are made of ----------------------------------------------------------------

bool Duel::wait(Duration at_most, const std::function<bool()>& condition) const {
  return lab::wait_until(at_most, condition, 5ms);
}

void Duel::expect(Result& result, bool condition, const std::string& what) const {
  if (!condition) result.problems.push_back("not so: " + what);
}

void Duel::expect_bounds(Result& result, std::optional<Duration> value, Duration least, Duration most,
                         const std::string& what) const {
  if (value && *value >= least && *value <= most) return;
  result.problems.push_back(fmt::format("{}: {} ms, not within {:.0f} to {:.0f} ms", what,
                                        value ? fmt::format("{:.1f}", in_milliseconds(*value)) : "no",
                                        in_milliseconds(least), in_milliseconds(most)));
}

void Duel::expect_active(Result& result, Speaker& active, Speaker& other, bool other_lives) {
  expect(result, wait(patience(), [&] { return wire_.only(active.node()); }),
         active.name() + " alone advertises");
  expect(result, wait(patience(), [&] { return active.holds_all(); }),
         active.name() + " holds the addresses");
  if (!other_lives) return;
  expect(result, wait(patience(), [&] { return other.holds_none(); }), other.name() + " holds no address");
}

void Duel::end_both() {
  lab_.lose_nothing();
  for (Speaker* speaker : {&high_, &low_}) {
    speaker->kill();
    speaker->repair();
  }
}

bool Duel::reach(Stage stage, Result& result) {
  if (stage_ == stage) return true;
  end_both();
  if (stage == Stage::nothing) return true;
  const std::size_t mark = wire_.mark();
  low_.start(terms(kLow));
  if (stage == Stage::both) high_.start(terms(kHigh));
  Speaker& active = stage == Stage::both ? high_ : low_;
  const bool reached = wait(patience(), [&] {
    return wire_.all_legs(active.node(), Kind::claim, mark) && wire_.only(active.node());
  });
  expect(result, reached, "the state that the case begins with");
  return reached;
}

Result Duel::finish(Result result, Stage stage) {
  stage_ = result.problems.empty() ? stage : Stage::nothing;
  return result;
}

void Duel::expect_release(Result& result, Speaker& leaver, Speaker& heir, int heirs_priority) {
  const std::size_t mark = wire_.mark();
  expect(result, leaver.stop(), leaver.name() + " ends in order");
  expect(result, wire_.all_legs(leaver.node(), Kind::release, mark), leaver.name() + " sends priority 0");
  const bool followed = wait(patience(), [&] { return wire_.all_legs(heir.node(), Kind::claim, mark); });
  expect(result, followed, heir.name() + " takes over after priority 0");
  if (!followed) return;
  std::optional<Duration> worst;
  for (const Leg& leg : dialect_.legs) {
    const auto released = wire_.first(leaver.node(), leg, Kind::release, mark);
    const auto claimed = wire_.first(heir.node(), leg, Kind::claim, mark);
    const auto last_claim = wire_.last(leaver.node(), leg, Kind::claim, mark);
    if (!released) continue;
    expect(result, !last_claim || *last_claim <= *released, leaver.name() + " is silent after priority 0");
    worst = std::max(worst.value_or(Duration::min()), *claimed - *released);
  }
  result.figure = worst;
  expect_bounds(result, worst, Duration::zero(),
                skew(dialect_, heirs_priority) + heir.late_claim(dialect_) + kTolerance,
                "from priority 0 to the heir's first advertisement");
  expect_active(result, heir, leaver, true);
}

// ---- the cases ---------------------------------------------------------------------------------

// Figure: from the start of both to the winner's first advertisement.
Result Duel::election() {
  Result result;
  reach(Stage::nothing, result);
  const std::size_t mark = wire_.mark();
  const Instant begin = monotonic_now();
  high_.start(terms(kHigh));
  low_.start(terms(kLow));
  expect(result, wait(patience(), [&] { return wire_.all_legs(high_.node(), Kind::claim, mark); }),
         high_.name() + " claims");
  expect(result, wait(patience(), [&] { return low_.listening(); }), low_.name() + " has joined");
  expect_active(result, high_, low_, true);
  if (const auto first = wire_.first(high_.node(), dialect_.legs[0], Kind::claim, mark)) {
    result.figure = *first - begin;
  }
  expect_bounds(result, wire_.overlap(high_.node(), mark), Duration::zero(), dialect_.interval + kTolerance,
                "time with two Active");
  return finish(result, Stage::both);
}

// Figure: the longest time between two advertisements of the Active.
Result Duel::restart_of_the_backup() {
  Result result;
  if (!reach(Stage::both, result)) return finish(result, Stage::nothing);
  const std::size_t mark = wire_.mark();
  expect(result, low_.stop(), low_.name() + " ends in order");
  low_.start(terms(kLow));
  expect(result, wait(patience(), [&] { return low_.listening(); }), low_.name() + " has joined again");
  // The wait is the test: longer than the newcomer would listen to silence.
  const bool claimed = wait(down_interval(dialect_, kLow) + dialect_.interval,
                            [&] { return !wire_.no_leg(low_.node(), Kind::claim, mark); });
  expect(result, !claimed, low_.name() + " stays backup");
  result.figure = wire_.longest_silence(mark);
  expect_bounds(result, result.figure, Duration::zero(), dialect_.interval + kTolerance,
                "between two advertisements of the Active");
  expect_active(result, high_, low_, true);
  return finish(result, Stage::both);
}

// Figure: from the last advertisement of the old Active to the first of the new one.
Result Duel::silence() {
  Result result;
  if (!reach(Stage::both, result)) return finish(result, Stage::nothing);
  const std::size_t mark = wire_.mark();
  high_.crash();
  expect(result, wait(patience(), [&] { return wire_.all_legs(low_.node(), Kind::claim, mark); }),
         low_.name() + " takes over");
  result.figure = wire_.change(high_.node(), low_.node(), mark);
  expect_bounds(result, result.figure, down_interval(dialect_, kLow) - kTick,
                down_interval(dialect_, kLow) + low_.late_claim(dialect_) + kTolerance, "takeover");
  expect_active(result, low_, high_, false);
  return finish(result, Stage::low_alone);
}

// Figure: as in silence(); the old Active speaks until the new one does.
Result Duel::preemption() {
  Result result;
  if (!reach(Stage::low_alone, result)) return finish(result, Stage::nothing);
  high_.repair();
  const std::size_t mark = wire_.mark();
  high_.start(terms(kHigh));
  expect(result, wait(patience(), [&] { return wire_.all_legs(high_.node(), Kind::claim, mark); }),
         high_.name() + " preempts");
  expect_active(result, high_, low_, true);
  result.figure = wire_.change(low_.node(), high_.node(), mark);
  expect_bounds(result, wire_.overlap(high_.node(), mark), Duration::zero(), dialect_.interval + kTolerance,
                "time with two Active");
  expect_bounds(result, wire_.longest_silence(mark), Duration::zero(), dialect_.interval + kTolerance,
                "time without an Active");
  return finish(result, Stage::both);
}

// Killed and started at once, its links and addresses stay. Figure: the longest time without an Active.
Result Duel::restart_of_the_active() {
  Result result;
  if (!reach(Stage::both, result)) return finish(result, Stage::nothing);
  const std::size_t before = wire_.mark();
  expect(result, wait(patience(), [&] { return wire_.all_legs(high_.node(), Kind::claim, before); }),
         high_.name() + " is Active before");
  high_.kill();
  const std::size_t mark = wire_.mark();
  high_.start(terms(kHigh));
  expect(result, wait(patience(), [&] { return wire_.all_legs(high_.node(), Kind::claim, mark); }),
         high_.name() + " is Active again");
  expect_active(result, high_, low_, true);
  result.figure = wire_.longest_silence(before);
  expect_bounds(result, result.figure, Duration::zero(),
                down_interval(dialect_, kLow) + low_.late_claim(dialect_) + kTolerance,
                "time without an Active");
  expect_bounds(result, wire_.overlap(high_.node(), mark), Duration::zero(), dialect_.interval + kTolerance,
                "time with two Active");
  return finish(result, Stage::both);
}

// Figure: from the loss of the link to the first advertisement of the new Active on the worst leg.
Result Duel::link_lost() {
  Result result;
  if (!reach(Stage::both, result)) return finish(result, Stage::nothing);
  const Leg& dead = dialect_.legs.back();
  const std::size_t mark = wire_.mark();
  const Instant begin = monotonic_now();
  lab_.cut(high_.node(), dead.interface);
  expect(result, wait(patience(), [&] { return wire_.all_legs(low_.node(), Kind::claim, mark); }),
         low_.name() + " takes over all legs");
  for (const Leg& leg : dialect_.legs) {
    const auto first = wire_.first(low_.node(), leg, Kind::claim, mark);
    if (first) result.figure = std::max(result.figure.value_or(Duration{}), *first - begin);
  }
  expect_bounds(result, result.figure, Duration::zero(), down_interval(dialect_, kLow) + kTolerance,
                "takeover");
  expect_active(result, low_, high_, true);
  const std::size_t healed = wire_.mark();
  lab_.restore(high_.node(), dead.interface);
  expect(result, wait(patience(), [&] { return wire_.all_legs(high_.node(), Kind::claim, healed); }),
         high_.name() + " returns with its link");
  expect_active(result, high_, low_, true);
  return finish(result, Stage::both);
}

// Figure: from priority 0 to the first advertisement of the new Active.
Result Duel::release() {
  Result result;
  if (!reach(Stage::both, result)) return finish(result, Stage::nothing);
  expect_release(result, high_, low_, kLow);
  return finish(result, Stage::low_alone);
}

// Figure: as in release(), when the lower one leaves at last.
Result Duel::no_preemption() {
  Result result;
  if (!reach(Stage::low_alone, result)) return finish(result, Stage::nothing);
  const std::size_t mark = wire_.mark();
  high_.start({dialect_, kHigh, false});
  expect(result, wait(patience(), [&] { return high_.listening(); }), high_.name() + " has joined");
  // The wait is the test: longer than it would take to preempt.
  const bool claimed = wait(down_interval(dialect_, kHigh) + 2 * dialect_.interval,
                            [&] { return !wire_.no_leg(high_.node(), Kind::claim, mark); });
  expect(result, !claimed, high_.name() + " does not preempt");
  expect(result, high_.holds_none() && wire_.only(low_.node()), low_.name() + " stays Active");
  if (result.problems.empty()) expect_release(result, low_, high_, kHigh);
  return finish(result, Stage::nothing);
}

// Both become Active while they do not hear each other. Figure: from the end of the partition to the last
// advertisement of the loser.
Result Duel::equal_priority() {
  Result result;
  reach(Stage::nothing, result);
  // Who was Active as the last one may still advertise: that is over when both are started anew.
  end_both();
  Speaker& winner = high_.node() == lab::Node::fw_2 ? high_ : low_;
  Speaker& loser = &winner == &high_ ? low_ : high_;
  for (const Leg& leg : dialect_.legs) {
    for (const lab::Node node : {lab::Node::fw_1, lab::Node::fw_2}) {
      lab_.lose(node, leg.interface, lab::Way::from_node, 1000);
    }
  }
  const std::size_t apart = wire_.mark();
  high_.start(terms(kLow));
  low_.start(terms(kLow));
  const bool both = wait(patience(), [&] {
    return wire_.all_legs(winner.node(), Kind::claim, apart) &&
           wire_.all_legs(loser.node(), Kind::claim, apart) && winner.holds_all() && loser.holds_all();
  });
  expect(result, both, "both are Active while they do not hear each other");
  const Instant healed = monotonic_now();
  lab_.lose_nothing();
  expect_active(result, winner, loser, true);
  result.figure = Duration{};
  for (const Leg& leg : dialect_.legs) {
    const auto last = wire_.last(loser.node(), leg, Kind::claim, apart);
    if (last) result.figure = std::max(*result.figure, *last - healed);
  }
  expect_bounds(result, result.figure, Duration::zero(), dialect_.interval + kTolerance,
                "two Active after the partition");
  if (result.problems.empty()) {
    Result heritage;
    expect_release(heritage, winner, loser, kLow);
    result.problems = heritage.problems;
  }
  end_both();
  return finish(result, Stage::nothing);
}

}  // namespace ftfw::interop
