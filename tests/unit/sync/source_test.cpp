#include "sync/source.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr Instant kStart{1h};

struct Bench {
  Settings settings;
  Filter filter{settings};
  Counters counters;
  Source source{settings, filter, counters, 1};

  std::vector<wire::Message> sent() {
    std::vector<wire::Message> messages;
    while (auto message = source.next(kStart)) messages.push_back(std::move(*message));
    return messages;
  }
};

}  // namespace

TEST_CASE("a new source does not read its table before the interrupted flows have gone on") {
  Bench bench;
  bench.source.start(kStart);
  CHECK(bench.source.next_deadline(true, true) == kStart + Source::kTrafficFirst);
  CHECK_FALSE(bench.source.begin_when_due(kStart + Source::kTrafficFirst - 1ns, 1));
  CHECK(bench.source.begin_when_due(kStart + Source::kTrafficFirst, 1));
}

TEST_CASE("events before the first begin are left to the dump, later ones travel") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.on_event(kStart, ConntrackEvent{Change::created, udp_flow(1)});
  CHECK(bench.counters.events_before_send == 1);
  CHECK(bench.source.begin_when_due(kStart, 1));
  bench.source.on_event(kStart, ConntrackEvent{Change::created, udp_flow(2)});
  const auto messages = bench.sent();
  REQUIRE(messages.size() == 2);
  CHECK(std::holds_alternative<wire::Begin>(messages[0]));
  CHECK(std::get<wire::Entry>(messages[1]).entry.key == udp_flow(2).key);
}

TEST_CASE("the end goes behind the events that stand in for dumped entries") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.begin_when_due(kStart, 1);
  for (std::uint16_t i = 0; i < 20; ++i) {
    bench.source.on_event(kStart, ConntrackEvent{Change::destroyed, udp_flow(i)});
    bench.source.on_event(kStart, ConntrackEvent{Change::created, udp_flow(i)});
    bench.source.on_dump(kStart, std::vector{udp_flow(i)}, {});
  }
  bench.source.on_dump_end(kStart, true);
  const auto messages = bench.sent();
  REQUIRE(messages.size() == 42);
  CHECK(std::holds_alternative<wire::End>(messages.back()));
}

TEST_CASE("an offloaded TCP flow, dumped without its state, is sent as established") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.begin_when_due(kStart, 1);
  ConntrackEntry offloaded = tcp_flow();
  offloaded.tcp.reset();
  *offloaded.status |= status::kOffload;
  bench.source.on_dump(kStart, std::vector{offloaded}, {});
  CHECK(std::get<wire::Entry>(bench.sent().back()).entry.tcp->state == TcpState::established);
}

TEST_CASE("TCP without a reply, local flows and a stopped source send nothing") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.begin_when_due(kStart, 1);
  bench.source.on_event(kStart, ConntrackEvent{Change::created, tcp_flow(1, TcpState::syn_sent)});
  CHECK(bench.counters.events_filtered == 1);
  bench.source.stop();
  bench.source.on_event(kStart, ConntrackEvent{Change::created, udp_flow()});
  CHECK(bench.counters.events_of_replica == 1);
  CHECK(bench.sent().empty());
}

TEST_CASE("an overrun makes a full send due at once, and the next one not before its time") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  CHECK(bench.source.begin_when_due(kStart, 1));
  bench.source.on_overrun(kStart);
  CHECK_FALSE(bench.source.begin_when_due(kStart, 2));
  CHECK(bench.source.begin_when_due(kStart + Source::kBetweenCompares, 2));
  CHECK(bench.counters.full_sends_abandoned == 1);
  CHECK(bench.counters.full_sends_requested == 0);
}

TEST_CASE("a failed dump is repeated, an abandoned one ends nothing") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.begin_when_due(kStart, 1);
  bench.source.on_dump_end(kStart, false);
  CHECK(bench.source.next_deadline(true, true) == kStart + Source::kAfterFailedDump);
  bench.source.on_new_session(kStart);
  CHECK_FALSE(bench.source.wants_dump(1));
  CHECK(bench.source.begin_when_due(kStart, 2));
}

TEST_CASE("the digests go behind the events before them, when both tables are read and late events are in") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.on_peer({}, true);
  CHECK(bench.source.begin_when_due(kStart, 1) == DumpPurpose::compare);
  CHECK(std::holds_alternative<wire::CompareBegin>(bench.sent().at(0)));
  bench.source.on_dump(kStart, std::vector{udp_flow(1), udp_flow(2)}, {});
  bench.source.on_dump_end(kStart, true);
  bench.source.on_event(kStart, ConntrackEvent{Change::destroyed, udp_flow(2)});
  const Instant later = kStart + SourceCompare::kCaptureGrace;
  CHECK_FALSE(bench.source.wants_dump(1));
  CHECK(std::holds_alternative<wire::Destroyed>(*bench.source.next(later)));
  CHECK_FALSE(bench.source.next(later).has_value());
  bench.source.on_message(later, wire::CompareReady{1});
  const auto digests = bench.source.next(later);
  REQUIRE(digests.has_value());
  TableDigest expected;
  expected.begin(0, {});
  CHECK(std::get<wire::Digests>(*digests).values.size() == 1);
  CHECK(std::get<wire::Digests>(*digests).values != expected.digests(0));
}

TEST_CASE("an answer of another compare is nothing, one of too many ranges sends the whole table") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.on_peer({}, true);
  bench.source.begin_when_due(kStart, 1);
  bench.source.on_dump_end(kStart, true);
  bench.source.on_message(kStart, wire::CompareReady{1});
  const Instant later = kStart + SourceCompare::kCaptureGrace;
  while (bench.source.next(later)) {
  }
  bench.source.on_message(later, wire::RangesWanted{.compare = 7, .last = true, .all = true});
  CHECK_FALSE(bench.source.begin_when_due(later, 2).has_value());
  bench.source.on_message(later, wire::RangesWanted{.compare = 1, .last = true, .all = true});
  CHECK(bench.source.begin_when_due(later, 2) == DumpPurpose::full_send);
  CHECK(bench.counters.repairs == 0);
  CHECK(bench.counters.full_sends == 1);
}

TEST_CASE("a replica that never answers voids the compare, and another one follows") {
  Bench bench;
  bench.source.start(kStart - Source::kTrafficFirst);
  bench.source.on_peer({}, true);
  bench.source.begin_when_due(kStart, 1);
  bench.source.on_dump_end(kStart, true);
  CHECK_FALSE(bench.source.begin_when_due(kStart + 59s, 2).has_value());
  CHECK(bench.source.begin_when_due(kStart + SourceCompare::kAnswerWithin, 2) == DumpPurpose::compare);
  CHECK(bench.counters.compares_abandoned == 1);
}
