// The virtual clock: events in order of time, and of scheduling where times are equal. One thread, no real
// time; the clock does not start at zero, so code that takes zero for "never" is found.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "appliance/base/time.hpp"

namespace ftfw::sim {

class EventQueue {
 public:
  using Action = std::function<void()>;

  Instant now() const { return now_; }

  void at(Instant when, Action action) {
    pending_.emplace(std::pair(std::max(when, now_), next_++), std::move(action));
  }
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  bool next_due(Instant until) const { return !pending_.empty() && pending_.begin()->first.first <= until; }

  // Runs the next event, if it is due by `until`. False when there is none; then the clock stands at `until`.
  bool run_next(Instant until) {
    if (pending_.empty() || pending_.begin()->first.first > until) {
      now_ = until;
      return false;
    }
    auto node = pending_.extract(pending_.begin());
    now_ = node.key().first;
    ++ran_;
    node.mapped()();
    return true;
  }

  std::uint64_t ran() const { return ran_; }

 private:
  Instant now_{Duration(std::chrono::hours(1000))};
  std::uint64_t next_ = 0;
  std::uint64_t ran_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, Action> pending_;
};

}  // namespace ftfw::sim
