#include "sync/flow_tables.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include "tests/sim/fake_conntrack.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

const ConntrackEntry& local_flow() {
  static const ConntrackEntry entry = [] {
    ConntrackEntry local = tcp_flow(1);
    local.key.original = tuple(IPPROTO_TCP, "192.168.0.1", 1, "192.168.0.3", 22);
    local.reply = local.key.original.inverse();
    return local;
  }();
  return entry;
}

Settings settings_with(bool cache) {
  Settings settings;
  settings.cache = cache;
  settings.local_addresses = {*IpAddress::parse("192.168.0.1")};
  return settings;
}

struct Node {
  explicit Node(bool cache = true) : tables(table, settings_with(cache)) {}

  sim::FakeConntrack kernel;
  sim::FakeKernelTable table{kernel, 16};
  FlowTables tables;
  Instant now{1h};

  int apply(auto action) {
    const Operation operation{.id = 5, .action = std::move(action)};
    const auto refusals = tables.apply(std::span(&operation, 1));
    REQUIRE(refusals.has_value());
    return refusals->empty() ? 0 : refusals->front().error;
  }
  // Its own dump; how it ended in progress.
  DumpPiece read(DumpPurpose purpose) {
    REQUIRE(tables.begin_dump(purpose).has_value());
    DumpPiece all;
    do {
      const auto piece = tables.next_dump_piece();
      REQUIRE(piece.has_value());
      all.progress = piece->progress;
      all.entries.insert(all.entries.end(), piece->entries.begin(), piece->entries.end());
      all.expectations.insert(all.expectations.end(), piece->expectations.begin(), piece->expectations.end());
    } while (all.progress == DumpPiece::Progress::more);
    return all;
  }
  void work(Duration time, bool mirrors_source) {
    for (const Instant end = now + time; now < end; now += 1ms) {
      for (int i = 0; i < 100; ++i) {
        const auto deadline = tables.next_deadline(mirrors_source);
        if (!deadline || *deadline > now) break;
        tables.step(now, mirrors_source);
      }
    }
  }
};

}  // namespace

TEST_CASE("mode kernel: operations and dumps go to the kernel, a commit is answered at once") {
  Node node(false);
  CHECK(node.apply(CreateConntrack{tcp_flow()}) == 0);
  CHECK(node.kernel.find(tcp_flow().key) != nullptr);
  CHECK(node.read(DumpPurpose::learn).entries.size() == 1);
  node.tables.commit(node.now, {.plan = 4, .complete = true});
  const auto finished = node.tables.take_finished();
  REQUIRE(finished);
  CHECK(finished->plan == 4);
  CHECK(finished->complete);
  CHECK_FALSE(node.tables.next_deadline(true));
}

TEST_CASE("mode cache: a replica's flows are in the cache and its kernel stays empty until the commit") {
  Node node;
  node.read(DumpPurpose::learn);
  for (std::uint16_t port = 1; port <= 1000; ++port)
    REQUIRE(node.apply(CreateConntrack{tcp_flow(port)}) == 0);
  CHECK(node.apply(CreateConntrack{tcp_flow(7)}) == EEXIST);
  CHECK(node.kernel.entries().empty());
  CHECK(node.read(DumpPurpose::compare).entries.size() == 1000);

  node.tables.commit(node.now, {.plan = 9, .complete = true});
  CHECK_FALSE(node.tables.take_finished());
  // Dumps of the new source wait until the table is whole.
  REQUIRE(node.tables.begin_dump(DumpPurpose::compare).has_value());
  CHECK(node.tables.next_dump_piece()->entries.empty());
  node.work(1ms, false);

  const auto finished = node.tables.take_finished();
  REQUIRE(finished);
  CHECK(finished->plan == 9);
  CHECK(finished->complete);
  CHECK(node.kernel.entries().size() == 1000);
  CHECK(node.tables.cached() == 0);
  CHECK(node.tables.counters().commit.created == 1000);
  CHECK(node.tables.next_dump_piece()->entries.size() == 16);
  CHECK(node.apply(CreateConntrack{tcp_flow(2000)}) == 0);
  CHECK(node.kernel.entries().size() == 1001);
}

TEST_CASE("a commit that came too late for its plan goes on as source, and answers it") {
  Node node;
  REQUIRE(node.apply(CreateConntrack{tcp_flow(1)}) == 0);
  node.tables.become_source(node.now);
  CHECK(node.tables.committing());
  node.tables.commit(node.now, {.plan = 3, .complete = false});
  node.work(1ms, false);
  const auto finished = node.tables.take_finished();
  REQUIRE(finished);
  CHECK_FALSE(finished->complete);
  CHECK(node.kernel.entries().size() == 1);
}

TEST_CASE("a table that is full makes the commit incomplete and is told") {
  Node node;
  node.kernel.max_entries = 10;
  for (std::uint16_t port = 1; port <= 12; ++port) REQUIRE(node.apply(CreateConntrack{tcp_flow(port)}) == 0);
  node.tables.commit(node.now, {.plan = 1, .complete = true});
  node.work(1ms, false);
  CHECK_FALSE(node.tables.take_finished()->complete);
  const auto troubles = node.tables.take_troubles();
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].find("2 of the flows") != std::string::npos);
}

TEST_CASE("a former source's flows go to the cache and leave the kernel once a source is mirrored") {
  Node node;
  node.read(DumpPurpose::learn);
  node.tables.become_source(node.now);
  node.work(1ms, false);
  ConntrackEntry master = tcp_flow(3000);
  master.helper = "ftp";
  for (std::uint16_t port = 1; port <= 100; ++port) REQUIRE(node.kernel.traffic_creates(tcp_flow(port)));
  REQUIRE(node.kernel.traffic_creates(master));
  REQUIRE(node.kernel.traffic_creates(local_flow()));
  REQUIRE(node.kernel.traffic_expects(expectation_of(master)));

  node.tables.become_replica(node.now);
  const DumpPiece learned = node.read(DumpPurpose::learn);

  CHECK(learned.entries.size() == 101);
  CHECK(learned.expectations.size() == 1);
  CHECK(node.kernel.entries().size() == 102);
  node.work(1s, false);
  CHECK(node.kernel.entries().size() == 102);  // nobody has shown that the cache is right
  node.work(1s, true);
  CHECK(node.kernel.entries().size() == 1);
  CHECK(node.kernel.find(local_flow().key) != nullptr);
  CHECK(node.tables.cached() == 101);
  CHECK_FALSE(node.tables.next_deadline(true));

  node.tables.commit(node.now, {.plan = 1, .complete = true});
  node.work(1ms, false);
  CHECK(node.kernel.entries().size() == 102);
  CHECK(node.kernel.expectations().size() == 1);
}

TEST_CASE("what the source says of a leftover removes it, so that a takeover finds only what is right") {
  Node node;
  for (std::uint16_t port = 1; port <= 4; ++port) REQUIRE(node.kernel.traffic_creates(tcp_flow(port)));
  node.read(DumpPurpose::learn);
  CHECK(node.apply(DeleteConntrack{tcp_flow(1).key}) == 0);
  ConntrackEntry update;
  update.key = tcp_flow(2).key;
  update.reply = tcp_flow(2).reply;
  update.tcp = TcpInfo{.state = TcpState::fin_wait};
  CHECK(node.apply(UpdateConntrack{update}) == 0);
  CHECK(node.apply(CreateConntrack{tcp_flow(3)}) == EEXIST);  // refused: the leftover stays
  CHECK(node.kernel.find(tcp_flow(1).key) == nullptr);
  CHECK(node.kernel.find(tcp_flow(2).key) == nullptr);
  CHECK(node.kernel.find(tcp_flow(3).key) != nullptr);

  node.tables.commit(node.now, {.plan = 1, .complete = true});
  node.work(1ms, false);

  CHECK(node.kernel.entries().size() == 3);
  CHECK(node.kernel.find(tcp_flow(2).key)->entry.tcp->state == TcpState::fin_wait);
  CHECK(node.kernel.find(tcp_flow(3).key)->liberal);
  CHECK(node.tables.counters().commit.present == 2);
}

TEST_CASE("the source's word that comes while leftovers are taken is not overwritten by them") {
  Node node;
  for (std::uint16_t port = 1; port <= 100; ++port) REQUIRE(node.kernel.traffic_creates(tcp_flow(port)));
  const ConntrackEntry& first = node.kernel.entries().begin()->second.entry;
  const EntryKey gone = first.key;
  const EntryKey changed = std::next(node.kernel.entries().begin())->second.entry.key;
  ConntrackEntry newer = tcp_flow(changed.original.source_port, TcpState::fin_wait);

  // Both before the kernel's dump gives them.
  CHECK(node.apply(DeleteConntrack{gone}) == ENOENT);
  CHECK(node.apply(CreateConntrack{newer}) == 0);
  // As if the dump had been filled before.
  REQUIRE(node.kernel.traffic_creates(tcp_flow(gone.original.source_port)));
  REQUIRE(node.kernel.traffic_creates(tcp_flow(changed.original.source_port)));
  const DumpPiece learned = node.read(DumpPurpose::learn);

  CHECK(learned.entries.size() == 99);
  CHECK_FALSE(node.tables.cache().contains(gone));
  CHECK(node.tables.cache().entry(changed)->tcp->state == TcpState::fin_wait);
}

TEST_CASE("a newer plan cancels the commit: nothing is lost, neither what was committed nor the rest") {
  Node node;
  node.read(DumpPurpose::learn);
  for (std::uint16_t port = 1; port <= 1000; ++port)
    REQUIRE(node.apply(CreateConntrack{tcp_flow(port)}) == 0);
  node.tables.commit(node.now, {.plan = 1, .complete = true});
  node.tables.step(node.now, false);
  REQUIRE(node.kernel.entries().size() == CacheCommit::kMaxOperations);
  // A live one goes on meanwhile.
  const EntryKey live = node.kernel.entries().begin()->second.entry.key;
  node.kernel.traffic_updates(live, [](ConntrackEntry& entry) { entry.mark = 77; });

  node.tables.become_replica(node.now);

  CHECK_FALSE(node.tables.take_finished());
  CHECK(node.tables.counters().commits_cancelled == 1);
  CHECK(node.read(DumpPurpose::learn).entries.size() == 1000);
  CHECK(node.tables.cache().entry(live)->mark == 77U);
  node.tables.commit(node.now, {.plan = 2, .complete = true});
  node.work(1ms, false);
  CHECK(node.tables.take_finished()->complete);
  CHECK(node.kernel.entries().size() == 1000);
}

TEST_CASE("a removal that the kernel fails is tried again, and stops when the source is not mirrored") {
  Node node;
  for (std::uint16_t port = 1; port <= 100; ++port) REQUIRE(node.kernel.traffic_creates(tcp_flow(port)));
  node.read(DumpPurpose::learn);
  node.table.broken = true;
  node.work(100ms, true);
  CHECK(node.kernel.entries().size() == 100);
  CHECK(node.tables.counters().kernel_failures > 0);
  node.table.broken = false;
  node.work(5s, false);
  CHECK(node.kernel.entries().size() == 100);
  node.work(3s, true);
  CHECK(node.kernel.entries().empty());
}
