#include "appliance/events.hpp"

#include <doctest/doctest.h>
#include <poll.h>

using namespace ftfw;

namespace {

bool readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) == 1;
}

}  // namespace

TEST_CASE("notices and what is worse are kept with their fields, in order; details are not") {
  EventLog log;
  CHECK(log.newest() == 0);
  log.add(log::Level::info, "a detail", {});
  log.add(log::Level::notice, "primary: silence", {{"role", "primary"}});
  log.add(log::Level::warning, "an alarm", {});

  const auto events = log.after(0);
  REQUIRE(events.size() == 2);
  CHECK(events[0].number == 1);
  CHECK(events[0].text == "primary: silence");
  REQUIRE(events[0].fields.size() == 1);
  CHECK(events[0].fields[0].second == "primary");
  CHECK(events[1].level == log::Level::warning);
  CHECK(log.after(1).size() == 1);
  CHECK(log.after(2).empty());
}

TEST_CASE("more than it keeps -> the oldest go, numbers go on, a reader takes piece by piece") {
  EventLog log;
  const std::size_t count = EventLog::kMaxEvents + 5;
  for (std::size_t i = 0; i < count; ++i) log.add(log::Level::notice, "again", {});

  std::uint64_t after = 0;
  std::size_t read = 0;
  for (auto piece = log.after(after); !piece.empty(); piece = log.after(after)) {
    CHECK(piece.size() <= EventLog::kPieceEvents);
    if (read == 0) CHECK(piece.front().number == 6);
    read += piece.size();
    after = piece.back().number;
  }
  CHECK(read == EventLog::kMaxEvents);
  CHECK(after == count);
}

TEST_CASE("an event wakes whoever waits, once") {
  const EventLog empty;
  CHECK_FALSE(readable(empty.wake_fd()));
  EventLog log;
  log.add(log::Level::notice, "one", {});
  log.add(log::Level::notice, "two", {});
  CHECK(readable(log.wake_fd()));
  log.clear_wakeups();
  CHECK_FALSE(readable(log.wake_fd()));
}
