#include "sync/cache_commit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "tests/sim/fake_conntrack.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

const NormalTimeouts kTimeouts;

// Carries it out, batch by batch. Returns the keys in the order in which the kernel took them.
std::vector<EntryKey> carry_out(CacheCommit& commit, sim::FakeConntrack& kernel) {
  std::vector<EntryKey> order;
  for (int round = 0; round < 10'000; ++round) {
    const std::span<const Operation> batch = commit.next();
    if (batch.empty()) return order;
    CHECK(batch.size() <= CacheCommit::kMaxOperations);
    const std::vector<Refusal> refusals = kernel.apply(batch);
    for (const Operation& operation : batch) {
      const auto* create = std::get_if<CreateConntrack>(&operation.action);
      const bool refused =
          std::ranges::any_of(refusals, [&](const Refusal& one) { return one.id == operation.id; });
      if (create != nullptr && !refused) order.push_back(create->entry.key);
    }
    commit.on_applied(refusals);
  }
  FAIL("the commit does not end");
  return order;
}

std::size_t place_in(const std::vector<EntryKey>& order, const EntryKey& key) {
  return static_cast<std::size_t>(std::ranges::find(order, key) - order.begin());
}

}  // namespace

TEST_CASE("everything gets into the kernel with normal timeouts, liberal and translated") {
  FlowCache cache;
  for (std::uint16_t port = 1000; port < 3000; ++port) REQUIRE(cache.put(tcp_flow(port)));
  ConntrackEntry stream = udp_flow();
  *stream.status |= status::kSeenReply | status::kAssured;
  REQUIRE(cache.put(stream));
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);

  CHECK(carry_out(commit, kernel).size() == 2001);

  CHECK(commit.counters().created == 2001);
  CHECK(commit.counters().missing() == 0);
  for (std::uint16_t port = 1000; port < 3000; ++port) {
    const auto* stored = kernel.find(tcp_flow(port).key);
    REQUIRE(stored != nullptr);
    CHECK(stored->liberal);
    CHECK(stored->entry.timeout_s == 432'000U);
    CHECK(stored->entry.reply == tcp_flow(port).reply);
    CHECK((*stored->entry.status & status::kSourceNat) != 0);
  }
  CHECK(kernel.find(stream.key)->entry.timeout_s == 120U);
}

TEST_CASE("masters come before their related flows, over several levels, and expectations last") {
  FlowCache cache;
  // A chain, put in with the last first, and beside it so many that it takes many batches.
  std::vector<ConntrackEntry> chain{tcp_flow(1)};
  chain[0].helper = "ftp";
  for (std::uint16_t level = 1; level < 10; ++level) {
    chain.push_back(related_flow(chain.back(), static_cast<std::uint16_t>(100 + level)));
    *chain.back().status |= status::kAssured;
  }
  for (std::size_t i = chain.size(); i-- > 0;) REQUIRE(cache.put(chain[i]));
  for (std::uint16_t port = 1000; port < 2000; ++port) REQUIRE(cache.put(related_flow(chain[0], port)));
  REQUIRE(cache.put(expectation_of(chain[0])));
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);

  const std::vector<EntryKey> order = carry_out(commit, kernel);

  CHECK(order.size() == 1010);
  for (std::size_t level = 1; level < chain.size(); ++level) {
    CHECK(place_in(order, chain[level - 1].key) < place_in(order, chain[level].key));
    CHECK(kernel.find(chain[level].key)->entry.master == chain[level].master);
  }
  CHECK(commit.counters().without_master == 0);
  CHECK(kernel.expectations().size() == 1);
  CHECK(commit.counters().expectations == 1);
}

TEST_CASE("a related flow whose master is gone, or that is its own ancestor, goes without it") {
  FlowCache cache;
  const ConntrackEntry orphan = related_flow(tcp_flow(1), 100);
  ConntrackEntry first = related_flow(tcp_flow(200), 201);
  ConntrackEntry second = related_flow(first, 202);
  first.master = second.key.original;
  for (const ConntrackEntry& entry : {orphan, first, second}) REQUIRE(cache.put(entry));
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);

  CHECK(carry_out(commit, kernel).size() == 3);

  CHECK(commit.counters().without_master == 3);
  CHECK_FALSE(kernel.find(orphan.key)->entry.master);
  CHECK((*kernel.find(orphan.key)->entry.status & status::kExpected) == 0);
}

TEST_CASE("what is in the kernel already is the live flow: it stays as it is, and is counted") {
  FlowCache cache;
  REQUIRE(cache.put(tcp_flow(1)));
  REQUIRE(cache.put(tcp_flow(2)));
  sim::FakeConntrack kernel;
  ConntrackEntry live = tcp_flow(1, TcpState::fin_wait);
  live.timeout_s = 100;
  REQUIRE(kernel.traffic_creates(live));
  CacheCommit commit(cache, kTimeouts, false);

  carry_out(commit, kernel);

  CHECK(commit.counters().present == 1);
  CHECK(commit.counters().created == 1);
  CHECK(commit.counters().missing() == 0);
  CHECK(kernel.find(live.key)->entry.tcp->state == TcpState::fin_wait);
  CHECK(kernel.find(live.key)->entry.timeout_s == 100U);
  CHECK_FALSE(kernel.find(live.key)->liberal);
}

TEST_CASE("a leftover that is in the kernel already is made liberal and keeps its state and timeout") {
  FlowCache cache;
  REQUIRE(cache.put(tcp_flow(1)));
  sim::FakeConntrack kernel;
  ConntrackEntry leftover = tcp_flow(1, TcpState::fin_wait);
  leftover.timeout_s = 100;
  REQUIRE(kernel.traffic_creates(leftover));
  CacheCommit commit(cache, kTimeouts, true);

  carry_out(commit, kernel);

  CHECK(kernel.find(leftover.key)->liberal);
  CHECK(kernel.find(leftover.key)->entry.tcp->state == TcpState::fin_wait);
  CHECK(kernel.find(leftover.key)->entry.timeout_s == 100U);
}

TEST_CASE("another flow with the reply tuple is counted as a clash, not as present") {
  FlowCache cache;
  REQUIRE(cache.put(tcp_flow(1)));
  sim::FakeConntrack kernel;
  ConntrackEntry other = tcp_flow(2);
  other.reply.destination_port = 1;
  REQUIRE(kernel.traffic_creates(other));
  CacheCommit commit(cache, kTimeouts, false);
  carry_out(commit, kernel);
  CHECK(commit.counters().reply_clash == 1);
  CHECK(commit.counters().missing() == 1);
  CHECK(kernel.find(tcp_flow(1).key) == nullptr);
}

TEST_CASE("a table that gets full holds the assured flows, and says what it lacks") {
  FlowCache cache;
  for (std::uint16_t port = 0; port < 300; ++port) REQUIRE(cache.put(udp_flow(port)));
  for (std::uint16_t port = 1000; port < 1300; ++port) REQUIRE(cache.put(tcp_flow(port)));
  ConntrackEntry related = related_flow(tcp_flow(1000), 5000);
  *related.status |= status::kAssured;
  REQUIRE(cache.put(related));
  sim::FakeConntrack kernel;
  kernel.max_entries = 400;
  CacheCommit commit(cache, kTimeouts, false);

  carry_out(commit, kernel);

  CHECK(commit.counters().table_full == 201);
  for (std::uint16_t port = 1000; port < 1300; ++port) CHECK(kernel.find(tcp_flow(port).key) != nullptr);
  CHECK(kernel.find(related.key) != nullptr);
}

TEST_CASE("a helper that the kernel lacks costs the helper, not the flow") {
  FlowCache cache;
  ConntrackEntry flow = tcp_flow(1);
  flow.helper = "irc";
  REQUIRE(cache.put(flow));
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);
  carry_out(commit, kernel);
  CHECK(commit.counters().without_helper == 1);
  REQUIRE(kernel.find(flow.key) != nullptr);
  CHECK(kernel.find(flow.key)->entry.helper.empty());
}

TEST_CASE("answers that were lost are asked for once more") {
  FlowCache cache;
  REQUIRE(cache.put(tcp_flow(1)));
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);
  const auto lose_answers = [&commit, &kernel] {
    std::vector<Refusal> unknown;
    const std::span<const Operation> batch = commit.next();
    for (const Operation& operation : batch) {
      kernel.apply(operation);
      unknown.push_back({.id = operation.id, .error = kResultUnknown});
    }
    commit.on_applied(unknown);
    return batch.size();
  };
  REQUIRE(lose_answers() == 1);
  carry_out(commit, kernel);
  CHECK(commit.counters().present == 1);
  CHECK(commit.counters().missing() == 0);
}

TEST_CASE("a commit after one that was cancelled begins anew and keeps its order") {
  FlowCache cache;
  std::vector<ConntrackEntry> masters;
  for (std::uint16_t i = 0; i < 600; ++i) {
    masters.push_back(tcp_flow(static_cast<std::uint16_t>(1000 + i)));
    REQUIRE(cache.put(masters.back()));
    REQUIRE(cache.put(related_flow(masters.back(), static_cast<std::uint16_t>(10'000 + i))));
  }
  {
    sim::FakeConntrack kernel;
    CacheCommit cancelled(cache, kTimeouts, false);
    for (int i = 0; i < 3; ++i) cancelled.on_applied(kernel.apply(cancelled.next()));
  }
  sim::FakeConntrack kernel;
  CacheCommit commit(cache, kTimeouts, false);
  CHECK(carry_out(commit, kernel).size() == 1200);
  CHECK(commit.counters().without_master == 0);
}
