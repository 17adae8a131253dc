#include "sync/full_send.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr Instant kStart{1h};

}  // namespace

TEST_CASE("a full send goes begin, entries, related ones by level, expectations, and is then drained") {
  FullSend full;
  full.begin(kStart, 5, {});
  const ConntrackEntry master = tcp_flow(1);
  const ConntrackEntry child = related_flow(master, 2);
  const ConntrackEntry grandchild = related_flow(child, 3);
  full.add(grandchild);
  full.add(child);
  full.add(expectation_of(master));
  full.add(master);
  full.end_dump();
  CHECK((*full.take_begin() == wire::Message{wire::Begin{.send = 5}}));
  CHECK_FALSE(full.take_begin().has_value());
  for (const ConntrackEntry& expected : {master, child, grandchild}) {
    CHECK(std::get<wire::Entry>(*full.next(kStart)).entry.key == expected.key);
  }
  CHECK_FALSE(full.drained());
  CHECK(std::holds_alternative<wire::Expected>(*full.next(kStart)));
  CHECK(full.drained());
  CHECK(full.finish().send == 5);
  CHECK_FALSE(full.running());
}

TEST_CASE("a dumped entry that events touched is skipped, or carries what they said") {
  FullSend full;
  full.begin(kStart, 1, {});
  full.add(tcp_flow(1));
  full.add(tcp_flow(2));
  full.add(tcp_flow(3));
  full.touch(ConntrackEvent{Change::destroyed, tcp_flow(1)});
  full.touch(ConntrackEvent{Change::updated, tcp_flow(2, TcpState::fin_wait)});
  const auto second = full.next(kStart);
  CHECK(std::get<wire::Entry>(*second).entry.key == tcp_flow(2).key);
  CHECK(std::get<wire::Entry>(*second).entry.tcp->state == TcpState::fin_wait);
  CHECK(std::get<wire::Entry>(*full.next(kStart)).entry.tcp->state == TcpState::established);
}

TEST_CASE("more updates than are kept make dumped entries that only fill holes") {
  FullSend full;
  full.begin(kStart, 1, {});
  ConntrackEntry entry = udp_flow();
  for (std::size_t i = 0; i <= FullSend::kMaxParts; ++i) {
    entry.key.zone = static_cast<std::uint16_t>(i);
    CHECK(full.touch(ConntrackEvent{Change::updated, entry}));
  }
  full.add(entry);
  CHECK(std::get<wire::Entry>(*full.next(kStart)).only_if_absent);
  CHECK(full.part_overflows() == 1);
}

TEST_CASE("a paced send goes its burst at once and then at its rate") {
  FullSend full;
  full.begin(kStart, 1, {.sent_per_second = 1000});
  for (std::uint16_t i = 0; i < 400; ++i) full.add(udp_flow(i));
  std::uint64_t sent = 0;
  while (full.next(kStart)) ++sent;
  CHECK(sent == Pace::kBurst + 1);
  CHECK(full.pace_deadline() == kStart + 1ms);
  CHECK(full.next(kStart + 1ms).has_value());
  CHECK_FALSE(full.next(kStart + 1ms).has_value());
}

TEST_CASE("too many touched keys void the send") {
  FullSend full;
  ConntrackEvent event{Change::destroyed, udp_flow()};
  CHECK(full.touch(event));
  full.begin(kStart, 1, {});
  bool fits = true;
  for (std::size_t i = 0; fits && i <= FullSend::kMaxTouched; ++i) {
    event.entry.key.zone = static_cast<std::uint16_t>(i);
    event.entry.key.original.source_port = static_cast<std::uint16_t>(i >> 16);
    fits = full.touch(event);
  }
  CHECK_FALSE(fits);
}

TEST_CASE("masters that form a circle are ordered all the same") {
  std::vector<ConntrackEntry> circle{tcp_flow(1), tcp_flow(2)};
  circle[0].master = circle[1].key.original;
  circle[1].master = circle[0].key.original;
  order_by_master(circle);
  CHECK(circle.size() == 2);
}
