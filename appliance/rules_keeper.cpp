#include "appliance/rules_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/put_back.hpp"
#include "appliance/step_runner.hpp"

namespace ftfw {
namespace {

// What cannot be undone is tried again so often.
constexpr Duration kRetry = 1s;

std::string name_of(const firewall::ForeignCommit& commit) {
  return fmt::format("{} (process {})", commit.program.empty() ? "somebody" : commit.program, commit.process);
}

bool is_due(const std::optional<Instant>& told, Instant now) {
  return !told || now - *told >= kTellAgainAfter;
}

}  // namespace

void RulesKeeper::look(const firewall::Ruleset& ruleset, Outcome& outcome, Instant now) {
  const auto commits = watch_.read();
  if (!commits) {
    outcome.alarms.push_back("changes of the ruleset by others: " + commits.error().text);
    return;
  }
  const bool fought = pace_.is_fought(now);
  for (const firewall::ForeignCommit& commit : commits->commits) {
    const firewall::TouchedTables ours = loader_.ours(commit, ruleset);
    if (ours.empty()) continue;
    ++outcome.foreign_changes;
    if (repair_) loader_.distrust(commit, ruleset);
    // Each one is told, until somebody does it again and again.
    if (!fought) {
      outcome.alarms.push_back(fmt::format("{} {}{}", name_of(commit), describe(ours),
                                           repair_ ? "" : "; it stays, by repair = false"));
    }
    if (fought && is_due(told_fight_, now)) {
      told_fight_ = now;
      outcome.alarms.push_back(fmt::format("{} keeps changing our tables: {}", name_of(commit), pace_text()));
    }
    // Told as often as repaired.
    if (!repair_) note_left(commit, now);
  }
  if (commits->lost) {
    ++outcome.foreign_changes;
    outcome.alarms.emplace_back("others changed the ruleset faster than we could follow");
    if (repair_) loader_.distrust_everything(ruleset);
    all_left_ = all_left_ || !repair_;
  }
}

std::string RulesKeeper::pace_text() const {
  if (!repair_) return "it stays, by repair = false";
  return fmt::format("they are repaired every {} ms only", firewall::RepairPace::kSpacing / 1ms);
}

void RulesKeeper::note_left(const firewall::ForeignCommit& commit, Instant now) {
  pace_.note(now);
  if (left_.size() < kMaxLeft) {
    left_.push_back(commit);
  } else {
    all_left_ = true;
  }
}

void RulesKeeper::distrust_what_was_left(const firewall::Ruleset& ruleset) {
  for (const firewall::ForeignCommit& commit : std::exchange(left_, {})) loader_.distrust(commit, ruleset);
  if (std::exchange(all_left_, false)) loader_.distrust_everything(ruleset);
}

void RulesKeeper::repair(const firewall::Ruleset& ruleset, firewall::Stance stance,
                         const std::function<bool()>& interrupted, Outcome& outcome, Instant now) {
  if (!repair_ || !loader_.in_doubt()) {
    again_at_.reset();
    return;
  }
  const Instant earliest = std::max(pace_.next(now), again_at_.value_or(now));
  if (earliest > now) {
    again_at_ = earliest;
    return;
  }
  again_at_.reset();
  pace_.note(now);
  const firewall::LoadResult restored = loader_.restore(ruleset, stance, interrupted);
  if (restored && !restored->interrupted) {
    ++outcome.repairs;
    told_failure_.reset();
    if (!outcome.alarms.empty())
      outcome.alarms.push_back(
          fmt::format("our tables are repaired, in {:.1f} ms", in_milliseconds(monotonic_now() - now)));
    return;
  }
  again_at_ = now + kRetry;
  if (restored || !is_due(told_failure_, now)) return;
  told_failure_ = now;
  outcome.alarms.push_back("our tables are not repaired: " + status_of(restored).error().text);
}

}  // namespace ftfw
