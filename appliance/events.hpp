// What happened on this node since its start, as far as a person should know it: every line of the log from
// notice on, with its number, time and fields (the role and its cause among them). Bounded: the oldest go
// first, and a reader sees by the numbers that some are gone.
// Threads: any adds; the control thread reads. A lock that is held for a piece of kPieceEvents only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appliance/base/lock_guarded.hpp"
#include "appliance/base/log.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw {

struct HappenedEvent {
  std::uint64_t number = 0;  // from 1 on
  std::chrono::system_clock::time_point at;
  log::Level level = log::Level::notice;
  std::string text;
  std::vector<std::pair<std::string, std::string>> fields;
};

class EventLog {
 public:
  static constexpr std::size_t kMaxEvents = 1000;
  static constexpr std::size_t kPieceEvents = 100;

  EventLog();

  // Less than notice is left out.
  void add(log::Level level, std::string_view text, std::initializer_list<log::Field> fields);
  // At most kPieceEvents of those that follow this one, the oldest first.
  std::vector<HappenedEvent> after(std::uint64_t number) const;
  std::uint64_t newest() const;  // number of the newest; 0: nothing happened yet

  // Readable when something was added since the last clear_wakeups().
  int wake_fd() const { return wake_.get(); }
  void clear_wakeups() const;

 private:
  struct Kept {
    std::uint64_t newest = 0;
    std::deque<HappenedEvent> events;
  };
  mutable LockGuarded<Kept> kept_;
  UniqueFd wake_;
};

}  // namespace ftfw
