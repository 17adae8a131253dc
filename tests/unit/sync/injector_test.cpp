#include "sync/injector.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include "tests/sim/fake_conntrack.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr Instant kStart{1h};
constexpr std::uint32_t kParked = 86'400;

struct Bench {
  Counters counters;
  Injector injector{kParked, false, counters};
  sim::FakeConntrack kernel;
  std::vector<Mark> marks;
  std::vector<Operation> last;

  // Until nothing is left to try; how many batches that took.
  int run() {
    int batches = 0;
    for (Instant now = kStart; !injector.idle() && batches < 50; now += 10ms) {
      auto batch = injector.next(now, marks);
      if (!batch) continue;
      last = *batch;
      injector.on_applied(now, kernel.apply(*batch));
      ++batches;
    }
    return batches;
  }
  const ConntrackEntry& stored(const EntryKey& key) { return kernel.find(key)->entry; }
};

ConntrackEntry partial_of(const ConntrackEntry& entry) {
  return {.key = entry.key, .reply = entry.reply, .status = entry.status};
}

}  // namespace

TEST_CASE("a new entry is created parked, liberal, with carried bits and flags only") {
  Bench bench;
  bench.injector.push(Upsert{.entry = tcp_flow()});
  CHECK(bench.run() == 1);
  const auto* stored = bench.kernel.find(tcp_flow().key);
  REQUIRE(stored != nullptr);
  CHECK(stored->liberal);
  CHECK(stored->entry.timeout_s == kParked);
  CHECK(stored->entry.tcp->flags_original == 0x03);
  CHECK(stored->entry.tcp->flags_reply == 0x03);
  CHECK((*stored->entry.status & status::kSourceNat) != 0);
  CHECK(bench.counters.created == 1);
}

TEST_CASE("a known entry is updated without helper and master; an expected one keeps its bit") {
  Bench bench;
  const ConntrackEntry master = tcp_flow(1);
  ConntrackEntry related = related_flow(master);
  related.helper = "ftp";
  bench.injector.push(Upsert{.entry = master});
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK((*bench.stored(related.key).status & status::kExpected) != 0);
  related.tcp->state = TcpState::established;
  *related.status |= status::kSeenReply | status::kAssured;
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK(bench.counters.updated == 1);
  CHECK(bench.stored(related.key).tcp->state == TcpState::established);
  CHECK(bench.counters.other_refusals == 0);
}

TEST_CASE("create refused as existing becomes an update, update refused as absent becomes a create") {
  Bench bench;
  ConntrackEntry there = tcp_flow(1, TcpState::syn_recv);
  bench.kernel.traffic_creates(there);
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  CHECK(bench.run() == 2);
  CHECK(bench.stored(there.key).tcp->state == TcpState::established);
  bench.kernel.destroy(there.key);
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  CHECK(bench.run() == 2);
  CHECK(bench.kernel.find(there.key) != nullptr);
}

TEST_CASE("an update of an absent entry that cannot be created is counted incomplete") {
  Bench bench;
  bench.injector.push(Upsert{.entry = partial_of(tcp_flow())});
  bench.run();
  CHECK(bench.counters.incomplete == 1);
  CHECK(bench.kernel.entries().empty());
}

TEST_CASE("a status that cannot be taken back replaces the entry") {
  Bench bench;
  bench.kernel.traffic_creates(tcp_flow(1));
  bench.injector.push(Upsert{.entry = tcp_flow(1, TcpState::syn_recv)});
  bench.run();
  CHECK(bench.counters.replaced == 1);
  CHECK((*bench.stored(tcp_flow(1).key).status & status::kAssured) == 0);
}

TEST_CASE("another translation of a known tuple replaces the entry") {
  Bench bench;
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.run();
  ConntrackEntry other = tcp_flow(1);
  other.reply.destination_port = 4711;
  bench.injector.push(Upsert{.entry = other});
  bench.run();
  CHECK(bench.stored(other.key).reply == other.reply);
  CHECK(bench.counters.replaced == 1);
}

TEST_CASE("a related entry whose master is absent goes in without it, and with it once the master is there") {
  Bench bench;
  const ConntrackEntry related = related_flow(tcp_flow(1));
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK(bench.counters.without_master == 1);
  CHECK((*bench.stored(related.key).status & status::kExpected) == 0);
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK((*bench.stored(related.key).status & status::kExpected) != 0);
}

TEST_CASE("a related entry with another master than the one that is there replaces it") {
  Bench bench;
  const ConntrackEntry first = tcp_flow(1);
  const ConntrackEntry second = tcp_flow(2);
  ConntrackEntry related = related_flow(first);
  for (const ConntrackEntry& entry : {first, second, related}) bench.injector.push(Upsert{.entry = entry});
  bench.run();
  related.master = second.key.original;
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK(bench.kernel.find(related.key)->entry.master == second.key.original);
  CHECK(bench.counters.replaced == 1);
  // An update that names none is about the one that is there.
  related.master.reset();
  related.tcp->state = TcpState::syn_recv;
  bench.injector.push(Upsert{.entry = related});
  bench.run();
  CHECK(bench.counters.replaced == 1);
  CHECK(bench.kernel.find(related.key)->entry.tcp->state == TcpState::syn_recv);
}

TEST_CASE("a related entry waits for a master that is tried again in the same batch") {
  Bench bench;
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.run();
  bench.kernel.destroy(tcp_flow(1).key);
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Upsert{.entry = related_flow(tcp_flow(1))});
  bench.run();
  CHECK(bench.counters.without_master == 0);
  CHECK((*bench.stored(related_flow(tcp_flow(1)).key).status & status::kExpected) != 0);
}

TEST_CASE("a reply tuple in use is a clash: counted, given up, no endless tries") {
  Bench bench;
  ConntrackEntry other = tcp_flow(2);
  other.reply = tcp_flow(1).reply;
  bench.kernel.traffic_creates(other);
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  CHECK(bench.run() == 2);
  CHECK(bench.counters.reply_clash == 1);
}

TEST_CASE("a helper that this kernel lacks is left out, a full table is counted") {
  Bench bench;
  ConntrackEntry helped = tcp_flow(1);
  helped.helper = "amanda";
  bench.injector.push(Upsert{.entry = helped});
  bench.run();
  CHECK(bench.counters.without_helper == 1);
  CHECK(bench.stored(helped.key).helper.empty());
  bench.kernel.max_entries = 1;
  bench.injector.push(Upsert{.entry = tcp_flow(2)});
  bench.run();
  CHECK(bench.counters.table_full == 1);
}

TEST_CASE("an expectation without its master is counted, one that is there already is fine") {
  Bench bench;
  ConntrackEntry master = tcp_flow(1);
  master.helper = "ftp";
  bench.injector.push(PutExpectation{expectation_of(master)});
  bench.run();
  CHECK(bench.counters.expectation_refused == 1);
  bench.injector.push(Upsert{.entry = master});
  bench.injector.push(PutExpectation{expectation_of(master)});
  bench.injector.push(PutExpectation{expectation_of(master)});
  bench.run();
  CHECK(bench.kernel.expectations().size() == 1);
  CHECK(bench.counters.expectation_refused == 1);
}

TEST_CASE("a key is once in a batch, so a retry cannot overtake a later destroy") {
  Bench bench;
  bench.kernel.traffic_creates(tcp_flow(1));
  bench.injector.push(Upsert{.entry = tcp_flow(1)});  // refused as existing, tried again
  bench.injector.push(Destroy{.key = tcp_flow(1).key});
  bench.run();
  CHECK(bench.kernel.entries().empty());
}

TEST_CASE("a mark is reached when everything before it is in the kernel, retries included") {
  Bench bench;
  bench.kernel.traffic_creates(tcp_flow(1));
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Mark{.kind = Mark::Kind::end, .send = 7});
  std::vector<Mark> reached;
  const auto first = bench.injector.next(kStart, reached);
  bench.injector.on_applied(kStart, bench.kernel.apply(*first));
  const auto second = bench.injector.next(kStart, reached);
  CHECK(reached.empty());
  bench.injector.on_applied(kStart, bench.kernel.apply(*second));
  CHECK_FALSE(bench.injector.next(kStart, reached).has_value());
  CHECK(reached.size() == 1);
}

TEST_CASE("a sweep spares what was confirmed since it was ordered") {
  Bench bench;
  bench.injector.push(Mark{.kind = Mark::Kind::begin});
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Destroy{.key = tcp_flow(1).key, .swept = true, .generation = 1});
  bench.injector.push(Destroy{.key = tcp_flow(2).key, .swept = true, .generation = 1});
  bench.kernel.traffic_creates(tcp_flow(2));
  bench.run();
  CHECK(bench.kernel.find(tcp_flow(1).key) != nullptr);
  CHECK(bench.kernel.find(tcp_flow(2).key) == nullptr);
  CHECK(bench.counters.swept == 1);
}

TEST_CASE("own entries are made liberal and parked once, unless the peer's word came first") {
  Bench bench;
  bench.kernel.traffic_creates(tcp_flow(1));
  bench.kernel.traffic_creates(tcp_flow(2, TcpState::syn_recv));
  bench.injector.learn(tcp_flow(1));
  bench.injector.push(Upsert{.entry = tcp_flow(2)});
  bench.injector.learn(tcp_flow(2, TcpState::syn_recv));
  bench.run();
  CHECK(bench.kernel.find(tcp_flow(1).key)->liberal);
  CHECK(bench.stored(tcp_flow(1).key).timeout_s == kParked);
  CHECK(bench.stored(tcp_flow(2).key).tcp->state == TcpState::established);
  CHECK(bench.counters.made_liberal == 1);
}

TEST_CASE("an own entry with a helper names it again, which re-arms the helper of a former primary") {
  Bench bench;
  ConntrackEntry control = tcp_flow(1);
  control.helper = "ftp";
  bench.kernel.traffic_creates(control);
  bench.injector.learn(control);
  bench.run();
  REQUIRE(bench.last.size() == 1);
  CHECK(std::get<UpdateConntrack>(bench.last[0].action).entry.helper == "ftp");
}

TEST_CASE("a new source only fills holes with what still waits") {
  Bench bench;
  bench.kernel.traffic_creates(tcp_flow(1, TcpState::fin_wait));
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Upsert{.entry = tcp_flow(2)});
  bench.injector.push(Destroy{.key = tcp_flow(1).key});
  bench.injector.only_fill_holes();
  bench.run();
  CHECK(bench.stored(tcp_flow(1).key).tcp->state == TcpState::fin_wait);
  CHECK(bench.kernel.find(tcp_flow(2).key) != nullptr);
}

TEST_CASE("an expectation whose key another master's holds replaces it, and goes with its own master only") {
  Bench bench;
  ConntrackEntry older = tcp_flow(1);
  ConntrackEntry newer = tcp_flow(2);
  older.helper = newer.helper = "ftp";
  Expectation expectation = expectation_of(older);
  bench.injector.push(Upsert{.entry = older});
  bench.injector.push(Upsert{.entry = newer});
  bench.injector.push(PutExpectation{expectation});
  bench.run();
  expectation.master = newer.key.original;
  bench.injector.push(PutExpectation{expectation});
  bench.run();
  bench.injector.push(Destroy{.key = older.key});
  bench.run();
  REQUIRE(bench.kernel.expectations().size() == 1);
  CHECK(bench.kernel.expectations().begin()->second.master == newer.key.original);
}

TEST_CASE(
    "what a compare saw is confirmed and renewed when it half ran out, what it did not see is forgotten") {
  Bench bench;
  bench.injector.push(Upsert{.entry = tcp_flow(1)});
  bench.injector.push(Upsert{.entry = tcp_flow(2)});
  bench.run();
  bench.injector.push(Mark{.kind = Mark::Kind::compare});
  bench.run();
  ConntrackEntry seen = bench.stored(tcp_flow(1).key);
  bench.injector.seen(seen, false);
  CHECK(bench.injector.idle());
  seen.timeout_s = kParked / 2 - 1;
  bench.injector.seen(seen, false);
  bench.run();
  CHECK(bench.counters.renewed == 1);
  CHECK(bench.injector.confirmed(seen.key, bench.injector.generation()));
  bench.injector.forget_older_than(bench.injector.generation());
  CHECK(bench.injector.indexed() == 1);
}
