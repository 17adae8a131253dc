// What progress() says of a pair: how far the replica is behind, why the last reconcile was, how far the one
// under way is.
#include <doctest/doctest.h>

#include "tests/unit/sync/pair.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

struct QuietPair : Pair {
  QuietPair() : Pair(1, 1h) {
    dumps_fail = false;
    become_source(0);
    run(2s);
    REQUIRE(nodes[1].in_sync);
  }
  PeerProgress progress() const { return nodes[0].engine->progress().peers[0]; }
};

}  // namespace

TEST_CASE("a pair at rest has no lag") {
  const QuietPair pair;
  CHECK(pair.progress().lag_entries == 0);
  CHECK_FALSE(pair.progress().lag_since);
  CHECK_FALSE(pair.progress().reconcile_due);
}

TEST_CASE("while the link is cut the lag grows in entries, and in time from the first event on") {
  QuietPair pair;
  pair.network.cut = true;
  const Instant cut = pair.now;
  for (std::uint16_t port = 1; port <= 5; ++port) {
    pair.nodes[0].kernel.traffic_creates(udp_flow(port));
    pair.run(100ms);
  }
  pair.nodes[0].kernel.destroy(udp_flow(2).key);
  pair.run(2s);

  // The first went out and is not acknowledged, and so did the end of the second; the rest waits.
  CHECK(pair.progress().lag_entries >= 5);
  CHECK(pair.progress().lag_entries <= 6);
  REQUIRE(pair.progress().lag_since);
  CHECK(*pair.progress().lag_since >= cut);
  CHECK(*pair.progress().lag_since <= cut + 10ms);
  pair.network.cut = false;
  pair.run(2s);
  CHECK(pair.progress().lag_entries == 0);
  CHECK_FALSE(pair.progress().lag_since);
}

TEST_CASE("the last reconcile says why it was and what came of it") {
  QuietPair pair;
  for (std::uint16_t port = 1; port <= 100; ++port) pair.nodes[0].kernel.traffic_creates(udp_flow(port));
  CHECK(pair.progress().last_reconcile.cause == ReconcileCause::new_conversation);
  pair.run(1s);
  pair.nodes[1].kernel.destroy(udp_flow(7).key);
  const Instant before = pair.now;
  pair.overrun(0);
  pair.run(1s);

  const Reconciled last = pair.progress().last_reconcile;
  CHECK(last.cause == ReconcileCause::overrun);
  CHECK(last.entries == 100);
  CHECK(last.differing == 1);
  CHECK(last.sent >= 1);
  REQUIRE(last.finished);
  CHECK(*last.finished > before);
  CHECK(last.took > 0ms);
  CHECK(last.took < 1s);
}

TEST_CASE("a pass under way says how much of the table it has read") {
  QuietPair pair;
  for (std::uint16_t port = 1; port <= 1000; ++port) pair.nodes[0].kernel.traffic_creates(udp_flow(port));
  pair.run(1s);
  pair.overrun(0);
  pair.run(30ms);  // 16 entries a millisecond
  pair.nodes[0].engine->expect_entries(0, 1000);

  const PeerProgress progress = pair.progress();
  CHECK(progress.reconciling == Reconciling::comparing);
  CHECK(progress.reading.done > 0);
  CHECK(progress.reading.done < 1000);
  CHECK(progress.reading.expected == 1000);
  CHECK(progress.reading.since < pair.now);
  pair.run(1s);
  CHECK(pair.progress().reconciling == Reconciling::idle);
  CHECK(pair.progress().reading.done == 1000);
}
