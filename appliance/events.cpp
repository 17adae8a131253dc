#include "appliance/events.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace ftfw {

EventLog::EventLog() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void EventLog::add(log::Level level, std::string_view text, std::initializer_list<log::Field> fields) {
  if (level > log::Level::notice) return;
  HappenedEvent event{.at = std::chrono::system_clock::now(), .level = level, .text = std::string(text)};
  for (const auto& [key, value] : fields) event.fields.emplace_back(key, value);
  kept_.with([&event](Kept& kept) {
    event.number = ++kept.newest;
    if (kept.events.size() == kMaxEvents) kept.events.pop_front();
    kept.events.push_back(std::move(event));
  });
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

std::vector<HappenedEvent> EventLog::after(std::uint64_t number) const {
  return kept_.with([number](const Kept& kept) {
    const auto first = std::ranges::upper_bound(kept.events, number, {}, &HappenedEvent::number);
    const auto left = static_cast<std::size_t>(kept.events.end() - first);
    return std::vector<HappenedEvent>(first,
                                      first + static_cast<std::ptrdiff_t>(std::min(left, kPieceEvents)));
  });
}

std::uint64_t EventLog::newest() const {
  return kept_.with([](const Kept& kept) { return kept.newest; });
}

void EventLog::clear_wakeups() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
}

}  // namespace ftfw
