// Reconcile as a pair sees it: how little is sent for how little differs, and that every doubt ends with
// equal tables.
#include <doctest/doctest.h>

#include "tests/unit/sync/pair.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr std::size_t kEntriesInRange = TableDigest::kEntriesPerRange;

ConntrackEntry numbered_flow(std::size_t number) {
  ConntrackEntry entry = tcp_flow(static_cast<std::uint16_t>(1024 + number % 50'000));
  entry.key.zone = static_cast<std::uint16_t>(number / 50'000);
  return entry;
}

// The source's table has so many flows, and the replica holds them. Only what a test asks for is compared.
struct EqualPair : Pair {
  explicit EqualPair(std::size_t flows, Duration compare_interval = 1h) : Pair(11, compare_interval) {
    dump_piece = 4096;
    dumps_fail = false;
    for (std::size_t i = 0; i < flows; ++i) nodes[0].kernel.traffic_creates(numbered_flow(i));
    nodes[0].captured.clear();
    become_source(0);
    for (int i = 0; i < 20'000 && !(nodes[1].in_sync && nodes[1].engine->progress().waiting_operations == 0);
         ++i) {
      step();
    }
    REQUIRE(difference(0, 1) == "");
    before = nodes[0].engine->counters();
  }

  Counters source() const { return nodes[0].engine->counters(); }
  Counters replica() const { return nodes[1].engine->counters(); }
  std::uint64_t sent() const { return source().entries_sent - before.entries_sent; }

  // Until the source has ended another reconcile and the replica has done its part.
  void reconcile() {
    const auto ended = [this] { return source().compares_finished + source().full_sends_finished; };
    const std::uint64_t before_this = ended();
    const std::uint64_t sweeps = replica().repairs_received;
    const std::uint64_t repairs = source().repairs;
    for (int i = 0; i < 20'000 && ended() == before_this; ++i) step();
    run(50ms);
    for (int i = 0; i < 20'000 && replica().repairs_received - sweeps != source().repairs - repairs; ++i)
      step();
    run(200ms);
  }
  void lose_at_replica(std::size_t number) { nodes[1].kernel.destroy(numbered_flow(number).key); }

  Counters before;
};

}  // namespace

TEST_CASE("a first contact with an empty standby sends the whole table, without a compare") {
  const EqualPair pair(1000);
  CHECK(pair.source().full_sends == 1);
  CHECK(pair.source().compares == 0);
}

TEST_CASE("equal tables are found equal: nothing is sent, created, updated or removed") {
  EqualPair pair(10'000);
  const Counters replica = pair.replica();
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.sent() == 0);
  CHECK(pair.source().compares_finished == 1);
  CHECK(pair.source().ranges_compared == 1024);
  CHECK(pair.source().ranges_differing == 0);
  CHECK(pair.replica().compares_equal == 1);
  CHECK(pair.replica().created == replica.created);
  CHECK(pair.replica().updated == replica.updated);
  CHECK(pair.replica().swept == 0);
}

TEST_CASE("a standby that lost 3 of 10,000 entries gets the ranges of these 3 and no more") {
  EqualPair pair(10'000);
  for (const std::size_t number : std::vector<std::size_t>{17, 5000, 9999}) pair.lose_at_replica(number);
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().ranges_differing == 3);
  CHECK(pair.sent() >= 3);
  CHECK(pair.sent() <= 3 * 3 * kEntriesInRange);
  CHECK(pair.source().entries_repaired == pair.sent());
  CHECK(pair.source().full_sends == 1);
  CHECK(pair.replica().swept == 0);
}

TEST_CASE("entries that only the standby has are swept, its local ones are not") {
  EqualPair pair(10'000);
  sim::FakeConntrack& kernel = pair.nodes[1].kernel;
  ConntrackEntry local = udp_flow(7);
  local.key.original.source = *IpAddress::parse("192.168.100.200");
  local.reply = local.key.original.inverse();
  kernel.traffic_creates(local);
  kernel.traffic_creates(udp_flow(1));
  kernel.traffic_creates(udp_flow(2));
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.difference(0, 1) == "");
  CHECK(kernel.find(local.key) != nullptr);
  CHECK(pair.replica().swept == 2);
  CHECK(pair.source().ranges_differing <= 2);
  CHECK(pair.sent() <= 2 * 3 * kEntriesInRange);
}

TEST_CASE("what changed in the standby's kernel by another hand is put right") {
  EqualPair pair(1000);
  pair.nodes[1].kernel.traffic_updates(numbered_flow(1).key, [](ConntrackEntry& entry) { entry.mark = 9; });
  pair.nodes[1].kernel.traffic_updates(numbered_flow(2).key,
                                       [](ConntrackEntry& entry) { entry.tcp->state = TcpState::close; });
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.source().ranges_differing == 2);
  CHECK(pair.difference(0, 1) == "");
}

TEST_CASE("a standby that lost more than half of the ranges gets the whole table") {
  EqualPair pair(2000);
  for (std::size_t number = 0; number < 1000; ++number) pair.lose_at_replica(number);
  pair.overrun(0);
  pair.reconcile();
  pair.run(2s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().full_sends == 2);
  CHECK(pair.source().repairs == 0);
}

TEST_CASE("what an overrun lost is healed within a second") {
  EqualPair pair(20'000);
  for (std::size_t number = 20'000; number < 21'000; ++number)
    pair.nodes[0].kernel.traffic_creates(numbered_flow(number));
  for (std::size_t number = 0; number < 200; ++number)
    pair.nodes[0].kernel.destroy(numbered_flow(number).key);
  pair.overrun(0);
  pair.run(1s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().full_sends == 1);
  CHECK(pair.replica().swept == 200);
}

TEST_CASE("an overrun in the middle of a compare and of a repair begins a new one, and that heals") {
  for (const Duration later : {2ms, 8ms, 30ms, 60ms, 120ms}) {
    EqualPair pair(3000);
    pair.lose_at_replica(5);
    pair.overrun(0);
    pair.run(later);
    pair.nodes[0].kernel.destroy(numbered_flow(6).key);
    pair.nodes[0].kernel.traffic_creates(numbered_flow(20'000));
    pair.overrun(0);
    pair.run(1s);
    CHECK(pair.difference(0, 1) == "");
    CHECK(pair.source().full_sends == 1);
  }
}

TEST_CASE("a restarted standby keeps its entries and is compared, not sent everything") {
  EqualPair pair(10'000);
  pair.restart(1);
  for (int i = 0; i < 5000 && !pair.nodes[1].in_sync; ++i) pair.step();
  CHECK(pair.nodes[1].in_sync);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.sent() == 0);
  CHECK(pair.replica().compares_equal == 1);
  CHECK(pair.nodes[1].engine->progress().index_entries == 10'000);
}

TEST_CASE("a restarted source compares; what ended while it was away is swept") {
  EqualPair pair(10'000);
  pair.restart(0);
  for (std::size_t number = 0; number < 10; ++number) pair.nodes[0].kernel.destroy(numbered_flow(number).key);
  pair.become_source(0);
  pair.run(2s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().full_sends == 0);
  CHECK(pair.source().entries_sent <= 10 * 3 * kEntriesInRange);
  CHECK(pair.replica().swept == 10);
}

TEST_CASE("a restart of either side at any point of a compare and a repair ends with equal tables") {
  for (const std::size_t restarted : {std::size_t{0}, std::size_t{1}}) {
    for (int later = 0; later < 120; later += 7) {
      CAPTURE(restarted);
      CAPTURE(later);
      EqualPair pair(2000);
      pair.dump_piece = 128;
      for (std::size_t number = 0; number < 20; ++number) pair.lose_at_replica(number);
      pair.nodes[1].kernel.traffic_creates(udp_flow(1));
      pair.overrun(0);
      pair.run(std::chrono::milliseconds(later));
      pair.restart(restarted);
      if (restarted == 0) pair.become_source(0);
      pair.run(2s);
      CHECK(pair.difference(0, 1) == "");
      CHECK(pair.nodes[1].in_sync);
      // Of a restarted source none, of a restarted standby the first.
      CHECK(pair.source().full_sends == restarted);
    }
  }
}

TEST_CASE(
    "a change of roles at any point of a compare ends with equal tables, and nobody obeys the old source") {
  for (int later = 0; later < 120; later += 7) {
    CAPTURE(later);
    EqualPair pair(2000);
    pair.dump_piece = 128;
    for (std::size_t number = 0; number < 20; ++number) pair.lose_at_replica(number);
    pair.overrun(0);
    pair.run(std::chrono::milliseconds(later));
    pair.become_replica(0);
    pair.become_source(1);
    pair.run(3s);
    CHECK(pair.difference(1, 0) == "");
    CHECK(pair.nodes[0].in_sync);
    CHECK(pair.replica().full_sends == 0);
  }
}

TEST_CASE("a former primary that becomes the standby is compared, and its own stale entries go") {
  EqualPair pair(10'000);
  pair.network.cut = true;
  pair.run(1500ms);
  pair.become_source(1);
  for (std::size_t number = 0; number < 10; ++number) pair.nodes[1].kernel.destroy(numbered_flow(number).key);
  pair.network.cut = false;
  pair.run(300ms);
  pair.become_replica(0);
  pair.run(3s);
  CHECK(pair.difference(1, 0) == "");
  CHECK(pair.replica().full_sends == 0);
  CHECK(pair.replica().entries_sent <= 10 * 3 * kEntriesInRange);
}

TEST_CASE("traffic during the compare is no difference: the ranges it touches are not sent") {
  EqualPair pair(10'000);
  pair.dump_piece = 64;  // the dumps take a while
  pair.network = {.loss = 0.1, .longest_delay = 5ms};
  pair.overrun(0);
  for (int i = 0; i < 600; ++i) {
    const std::size_t number = static_cast<std::size_t>(pair.chance(10'000));
    pair.nodes[0].kernel.destroy(numbered_flow(number).key);
    pair.nodes[0].kernel.traffic_creates(numbered_flow(20'000 + static_cast<std::size_t>(i)));
    pair.nodes[0].kernel.traffic_updates(
        numbered_flow(static_cast<std::size_t>(pair.chance(10'000))).key,
        [](ConntrackEntry& entry) { entry.mark = entry.mark.value_or(0) + 1; });
    pair.step();
  }
  pair.run(2s);
  CHECK(pair.source().compares_finished >= 1);
  CHECK(pair.source().ranges_differing == 0);
  CHECK(pair.source().entries_repaired == 0);
  CHECK(pair.difference(0, 1) == "");
}

TEST_CASE("events during the repair win over what its dump holds") {
  EqualPair pair(5000);
  pair.dump_piece = 32;
  // Half of them are not named by an event, and differ when the tables are compared.
  for (std::size_t number = 0; number < 120; ++number) pair.lose_at_replica(number);
  pair.overrun(0);
  for (int i = 0; i < 1500; ++i) {
    const std::size_t number = static_cast<std::size_t>(pair.chance(60));
    if (pair.chance(2) == 0) {
      pair.nodes[0].kernel.destroy(numbered_flow(number).key);
    } else {
      pair.nodes[0].kernel.traffic_creates(numbered_flow(number));
    }
    pair.step();
  }
  pair.run(1s);
  CHECK(pair.source().repairs >= 1);
  CHECK(pair.difference(0, 1) == "");
}

TEST_CASE("a compare needs 12 bytes an entry while it reads, and gives them back") {
  EqualPair pair(10'000);
  pair.dump_piece = 512;
  std::size_t most[2] = {0, 0};
  pair.overrun(0);
  for (int i = 0; i < 300; ++i) {
    pair.step();
    for (std::size_t node = 0; node < 2; ++node)
      most[node] = std::max(most[node], pair.nodes[node].engine->progress().compare_bytes);
  }
  CHECK(pair.source().compares_finished == 1);
  for (std::size_t node = 0; node < 2; ++node) {
    CHECK(most[node] >= 100'000);
    CHECK(most[node] <= 12 * 10'000 + 4 * 1024);
    CHECK(pair.nodes[node].engine->progress().compare_bytes == 0);
  }
  const Reconciled last = pair.nodes[0].engine->progress().last_reconcile;
  CHECK(last.ranges == 1024);
  CHECK(last.differing == 0);
  CHECK(last.finished.has_value());
}

TEST_CASE("two compares in a row, and the second finds nothing") {
  EqualPair pair(10'000);
  pair.lose_at_replica(5);
  pair.overrun(0);
  pair.reconcile();
  const std::uint64_t repaired = pair.source().entries_repaired;
  CHECK(repaired > 0);
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.source().compares_finished == 2);
  CHECK(pair.source().entries_repaired == repaired);
}

TEST_CASE("30 % loss, duplicates and reordering lose no part of a compare") {
  EqualPair pair(10'000);
  pair.network = {.loss = 0.3, .duplicates = 0.2, .longest_delay = 20ms};
  for (std::size_t number = 0; number < 30; ++number) pair.lose_at_replica(number * 300);
  pair.overrun(0);
  pair.run(8s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().full_sends == 1);
  CHECK(pair.source().repairs == 1);
}

TEST_CASE("the periodic compare is paced and finds what nobody reported") {
  EqualPair pair(10'000, 5s);
  pair.lose_at_replica(77);
  pair.run(7s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.source().compares >= 1);
  CHECK(pair.source().entries_repaired <= 3 * kEntriesInRange);
  CHECK(pair.nodes[0].engine->progress().last_reconcile.took < 3s);
}

TEST_CASE("a compare at 2,000 entries a second takes as long as that says, and replication goes on") {
  EqualPair pair(4000, 500ms);
  // Settings are read at the start of a compare only; this one is of a restarted pair.
  pair.nodes[0].settings.compare_entries_per_second = 2000;
  pair.nodes[1].settings.compare_entries_per_second = 2000;
  pair.restart(0);
  pair.restart(1);
  pair.become_source(0);
  pair.run(1200ms);
  CHECK(pair.source().compares_finished == 1);
  CHECK(pair.source().compares == 2);
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.run(10ms);
  CHECK(pair.nodes[1].kernel.find(udp_flow().key) != nullptr);
  pair.run(1s);
  CHECK(pair.source().compares_finished == 1);
  pair.run(2s);
  CHECK(pair.source().compares_finished >= 2);
  CHECK(pair.source().ranges_differing == 0);
}

TEST_CASE("a parked timeout that has half run out is renewed by the compare, the others are left alone") {
  EqualPair pair(1000);
  pair.nodes[1].kernel.apply(
      {.action = UpdateConntrack{
           .entry = {.key = numbered_flow(3).key, .reply = numbered_flow(3).reply, .timeout_s = 40'000}}});
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.replica().renewed == 1);
  CHECK(pair.nodes[1].kernel.find(numbered_flow(3).key)->entry.timeout_s == 86'400);
}

TEST_CASE("a helper that the standby's kernel has not is found once and then left out") {
  EqualPair pair(1000);
  pair.nodes[1].kernel.helpers.clear();
  ConntrackEntry control = udp_flow(9);
  control.helper = "sip";
  pair.nodes[0].kernel.traffic_creates(control);
  pair.run(50ms);
  CHECK(pair.replica().without_helper == 1);
  pair.overrun(0);
  pair.reconcile();
  CHECK(pair.source().compares_finished == 1);
  CHECK(pair.source().ranges_differing == 0);
}

TEST_CASE("a peer that knows no digests gets the whole table, as before") {
  Settings settings{.node = "fw-1", .peer = "fw-2"};
  const Filter filter(settings);
  Counters counters;
  Source source(settings, filter, counters, 1);
  source.start(Instant{1h} - Source::kTrafficFirst);
  CHECK(source.begin_when_due(Instant{1h}, 1) == DumpPurpose::full_send);
}
