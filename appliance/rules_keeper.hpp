// Keeps the firewall what it shall be while other programs change the ruleset: what they did to our tables is
// told, and undone at once unless the configuration says otherwise. Owned and used by the failover thread,
// which owns the loader too, so a repair and a step of a plan never race. A repair that failed, or that has
// to wait because somebody keeps fighting, is tried again with a later call.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/linux/watch.hpp"
#include "firewall/repair_pace.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw {

class RulesKeeper {
 public:
  struct Outcome {
    std::vector<std::string> alarms;
    std::size_t foreign_changes = 0;
    std::size_t repairs = 0;
  };

  // The references outlive it. repair: false only tells.
  RulesKeeper(firewall::Loader& loader, firewall::RulesetWatch watch, bool repair = true)
      : loader_(loader), watch_(std::move(watch)), repair_(repair) {}

  int fd() const { return watch_.fd(); }

  // Takes note of what others have done since the last call. Before a step that relies on the tables.
  void look(const firewall::Ruleset& ruleset, Outcome& outcome, Instant now);
  // What is in doubt becomes what `stance` says. interrupted: asked between the pieces of a large load.
  void repair(const firewall::Ruleset& ruleset, firewall::Stance stance,
              const std::function<bool()>& interrupted, Outcome& outcome, Instant now);
  // Before a reload, which changes single rules in their place: what was left as others made it is in doubt.
  void distrust_what_was_left(const firewall::Ruleset& ruleset);
  void set_repair(bool repair) { repair_ = repair; }
  // Something of ours is not what it should be, and will be.
  bool repairing() const { return repair_ && loader_.in_doubt(); }
  // When a repair that waits may be done; nothing: none waits.
  std::optional<Instant> next_deadline() const { return again_at_; }

 private:
  // Beyond it everything is in doubt.
  static constexpr std::size_t kMaxLeft = 64;

  std::string pace_text() const;
  void note_left(const firewall::ForeignCommit& commit, Instant now);

  firewall::Loader& loader_;
  firewall::RulesetWatch watch_;
  bool repair_;
  firewall::RepairPace pace_;
  std::vector<firewall::ForeignCommit> left_;  // with repair = false, since the last reload
  bool all_left_ = false;
  std::optional<Instant> again_at_;
  std::optional<Instant> told_fight_;
  std::optional<Instant> told_failure_;
};

}  // namespace ftfw
