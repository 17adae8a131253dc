#include "sync/replica.hpp"

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
  Injector injector{86'400, false, counters};
  Replica replica{settings, filter, injector, counters};
  Bench() { replica.start(kStart); }
};

PeerState source_of(std::uint64_t epoch) {
  return {.alive = true, .node = "fw-2", .role = Role::source, .source_epoch = epoch};
}

}  // namespace

TEST_CASE("a replica obeys the newest epoch it heard and nothing older") {
  Bench bench;
  bench.replica.on_message(5, 1, wire::Entry{.entry = tcp_flow(1)});
  bench.replica.on_message(4, 1, wire::Destroyed{tcp_flow(1).key});
  CHECK(bench.counters.stale_epoch == 1);
  CHECK(bench.injector.waiting() == 1);
  bench.replica.raise_epoch(7);
  bench.replica.on_message(6, 1, wire::Entry{.entry = tcp_flow(2)});
  CHECK(bench.counters.stale_epoch == 2);
}

TEST_CASE("a sealed replica takes nothing until it starts anew") {
  Bench bench;
  bench.replica.seal();
  bench.replica.on_message(5, 1, wire::Entry{.entry = tcp_flow(1)});
  CHECK(bench.counters.refused_by_role == 1);
  bench.replica.start(kStart);
  bench.replica.on_message(5, 1, wire::Entry{.entry = tcp_flow(1)});
  CHECK(bench.injector.waiting() == 1);
}

TEST_CASE("what the peer must not send is dropped and counted") {
  Bench bench;
  Settings settings;
  settings.protocols = {IPPROTO_TCP};
  const Filter only_tcp(settings);
  Replica replica(settings, only_tcp, bench.injector, bench.counters);
  replica.on_message(1, 1, wire::Entry{.entry = udp_flow()});
  replica.on_message(1, 1, wire::Destroyed{udp_flow().key});
  CHECK(bench.counters.uncovered == 2);
  CHECK(bench.injector.waiting() == 0);
}

TEST_CASE("a living source whose begin was not seen is asked for a full send, and again") {
  Bench bench;
  CHECK_FALSE(bench.replica.request_due(kStart, source_of(1), 1).has_value());
  CHECK_FALSE(bench.replica.request_due(kStart + Replica::kAskAfter - 1ns, source_of(1), 1).has_value());
  const Instant asked = kStart + Replica::kAskAfter;
  CHECK((*bench.replica.request_due(asked, source_of(1), 1) ==
         wire::Message{wire::FullSendRequest{.restart = true}}));
  CHECK_FALSE(bench.replica.request_due(asked + 1s, source_of(1), 1).has_value());
  CHECK(bench.replica.request_due(asked + Replica::kAskAgain, source_of(1), 1).has_value());
  bench.replica.on_message(1, 1, wire::Begin{1});
  CHECK_FALSE(bench.replica.request_due(asked + 1h, source_of(1), 1).has_value());
}

TEST_CASE("nobody asks a source of an old epoch, and nobody calls that in sync") {
  Bench bench;
  bench.replica.raise_epoch(3);
  CHECK_FALSE(bench.replica.request_due(kStart + 1h, source_of(2), 1).has_value());
  CHECK_FALSE(bench.replica.in_sync(source_of(2), 1).in_sync);
  CHECK_FALSE(bench.replica.in_sync(source_of(3), 1).in_sync);
  PeerState dead = source_of(3);
  dead.alive = false;
  CHECK(bench.replica.in_sync(dead, 1).in_sync);
}

TEST_CASE("in sync is reached by begin, end and sweep of the same conversation") {
  Bench bench;
  std::vector<Mark> reached;
  const auto advance = [&] {
    reached.clear();
    bench.injector.next(kStart, reached);
    for (const Mark& mark : reached) bench.replica.on_mark(mark, 1);
  };
  CHECK(bench.replica.dump_due(kStart) == DumpPurpose::learn);
  bench.replica.on_dump_end(kStart, DumpPurpose::learn, true);
  bench.replica.on_message(1, 1, wire::Begin{9});
  bench.replica.on_message(1, 1, wire::End{9});
  advance();
  CHECK_FALSE(bench.replica.in_sync(source_of(1), 1).in_sync);
  CHECK(bench.replica.dump_due(kStart) == DumpPurpose::sweep);
  bench.replica.on_dump_end(kStart, DumpPurpose::sweep, false);
  CHECK_FALSE(bench.replica.dump_due(kStart).has_value());
  CHECK(bench.replica.dump_due(kStart + Replica::kAfterFailedDump) == DumpPurpose::sweep);
  bench.replica.on_dump_end(kStart, DumpPurpose::sweep, true);
  advance();
  CHECK(bench.replica.in_sync(source_of(1), 1).in_sync);
  CHECK_FALSE(bench.replica.in_sync(source_of(1), 2).in_sync);
  CHECK_FALSE(bench.replica.in_sync(source_of(2), 1).in_sync);
}

TEST_CASE("an end without its begin sweeps nothing") {
  Bench bench;
  bench.replica.dump_due(kStart);
  bench.replica.on_message(1, 1, wire::End{9});
  bench.replica.on_message(1, 1, wire::Begin{10}, true);
  bench.replica.on_message(1, 1, wire::End{10}, true);
  CHECK(bench.injector.idle());
}
