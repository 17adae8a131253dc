#include "sync/engine.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/pair.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

// Both agreed, node 0 the source, everything sent.
struct RunningPair : Pair {
  RunningPair() : Pair(7) {
    nodes[0].kernel.traffic_creates(tcp_flow(1));
    become_source(0);
    run(600ms);
  }
};

bool holds(Pair& pair, std::size_t node, const ConntrackEntry& entry) {
  return pair.nodes[node].kernel.find(entry.key) != nullptr;
}

}  // namespace

TEST_CASE("a flow reaches the peer's kernel within a few milliseconds, and leaves it when it ends") {
  RunningPair pair;
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.run(10ms);
  CHECK(holds(pair, 1, udp_flow()));
  pair.nodes[0].kernel.destroy(udp_flow().key);
  pair.run(10ms);
  CHECK_FALSE(holds(pair, 1, udp_flow()));
}

TEST_CASE("a replica sends no flows, whatever it captures") {
  RunningPair pair;
  pair.nodes[1].kernel.destroy(tcp_flow(1).key);
  pair.run(50ms);
  CHECK(holds(pair, 0, tcp_flow(1)));
  CHECK(pair.nodes[1].engine->counters().events_of_replica == 1);
  pair.run(3s);
  CHECK(holds(pair, 1, tcp_flow(1)));
}

TEST_CASE("a replica is in sync only after the first full send of a living source") {
  Pair pair(7);
  for (std::uint16_t port = 1; port <= 500; ++port) pair.nodes[0].kernel.traffic_creates(tcp_flow(port));
  CHECK_FALSE(pair.nodes[1].engine->progress().in_sync);
  pair.become_source(0);
  for (int i = 0; i < 1000 && !pair.nodes[1].engine->progress().in_sync; ++i) pair.step();
  CHECK(pair.nodes[1].engine->progress().in_sync);
  CHECK(pair.difference(0, 1) == "");
}

TEST_CASE(
    "a commit is answered when everything received is in the kernel, and nothing is accepted after it") {
  RunningPair pair;
  pair.network.cut = true;
  pair.commit(1, 42);
  pair.run(20ms);
  REQUIRE(pair.nodes[1].committed.has_value());
  CHECK(pair.nodes[1].committed->plan == 42);
  CHECK(pair.nodes[1].committed->complete);
  pair.network.cut = false;
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.run(100ms);
  CHECK_FALSE(holds(pair, 1, udp_flow()));
  pair.nodes[1].engine->become_replica(pair.now);
  pair.run(3s);
  CHECK(holds(pair, 1, udp_flow()));
}

TEST_CASE("a takeover in the middle of the first full send is answered as not complete") {
  Pair pair(7);
  for (std::uint16_t port = 1; port <= 2000; ++port) pair.nodes[0].kernel.traffic_creates(tcp_flow(port));
  pair.become_source(0);
  while (pair.nodes[1].kernel.entries().size() < 200) pair.step();
  pair.network.cut = true;
  pair.run(1500ms);
  pair.commit(1, 1);
  pair.run(500ms);
  REQUIRE(pair.nodes[1].committed.has_value());
  CHECK_FALSE(pair.nodes[1].committed->complete);
}

TEST_CASE("a new source never obeys the old one") {
  RunningPair pair;
  pair.become_source(1);
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.run(100ms);
  CHECK_FALSE(holds(pair, 1, udp_flow()));
  CHECK(pair.nodes[1].engine->counters().refused_by_role + pair.nodes[1].engine->counters().stale_epoch > 0);
  CHECK(pair.nodes[0].peers[0].role == Role::source);
  CHECK(pair.nodes[0].peers[0].source_epoch == 2);
  // The old one steps down: what only it had goes.
  pair.become_replica(0);
  pair.run(3s);
  CHECK_FALSE(holds(pair, 0, udp_flow()));
  CHECK(pair.difference(1, 0) == "");
}

TEST_CASE("after a takeover parked timeouts become the state's own") {
  RunningPair pair;
  CHECK(pair.nodes[1].kernel.find(tcp_flow(1).key)->entry.timeout_s == 86'400);
  pair.network.cut = true;
  pair.become_source(1);
  pair.run(Settler::kFirstPass + 200ms);
  CHECK(pair.nodes[1].kernel.find(tcp_flow(1).key)->entry.timeout_s == 432'000);
  CHECK(pair.nodes[1].engine->counters().settled == 1);
}

TEST_CASE(
    "a doubt while parked timeouts are being settled is healed at once, and the rest is settled after it") {
  Pair pair(7, 1h);
  pair.dump_piece = 4'000;
  pair.dumps_fail = false;
  constexpr std::uint16_t kFlows = 60'000;  // 2.3 s of settling
  for (std::uint16_t port = 1; port <= kFlows; ++port) pair.nodes[0].kernel.traffic_creates(tcp_flow(port));
  pair.become_source(0);
  pair.run(8s);
  REQUIRE(pair.difference(0, 1) == "");
  pair.nodes[0].engine->become_replica(pair.now);
  pair.become_source(1);
  pair.run(Settler::kFirstPass + 100ms);
  const auto settled = [&pair] { return pair.nodes[1].engine->counters().settled; };
  REQUIRE(settled() > 0);
  REQUIRE(settled() < kFlows / 4);

  pair.nodes[1].kernel.traffic_creates(udp_flow());
  pair.overrun(1);
  pair.run(1s);

  CHECK(holds(pair, 0, udp_flow()));
  CHECK(settled() < kFlows);
  pair.run(8s);
  CHECK(settled() == kFlows);
}

TEST_CASE("a cut of minutes ends with equal tables in the same conversation") {
  RunningPair pair;
  pair.network.cut = true;
  pair.run(5s);
  CHECK_FALSE(pair.nodes[0].peers[0].alive);
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.nodes[0].kernel.destroy(tcp_flow(1).key);
  pair.run(100ms);
  pair.network.cut = false;
  pair.run(1s);
  CHECK(pair.difference(0, 1) == "");
  CHECK(pair.nodes[0].engine->counters().sessions == 1);
}

TEST_CASE("group states travel and are reported once they change") {
  RunningPair pair;
  pair.nodes[0].engine->set_group_state(
      pair.now, {.role = GroupRole::primary, .priority = 100, .legs_up = true, .primary_epoch = 1});
  pair.run(150ms);
  CHECK(pair.nodes[1].peers[0].group.role == GroupRole::primary);
  CHECK(pair.nodes[1].peers[0].group.priority == 100);
}

TEST_CASE("the word of a primary is reported each time it is heard, that of a backup when it changes") {
  RunningPair pair;
  pair.nodes[0].engine->set_group_state(pair.now, {.role = GroupRole::primary, .primary_epoch = 1});
  pair.run(100ms);
  const std::size_t of_primary = pair.nodes[1].words;
  const std::size_t of_backup = pair.nodes[0].words;
  pair.run(1s);
  CHECK(pair.nodes[1].words - of_primary >= 9);
  CHECK(pair.nodes[0].words == of_backup);
}

TEST_CASE("drained: all that was reported before is acknowledged, whatever is reported meanwhile") {
  RunningPair pair;
  pair.run(500ms);
  pair.network.cut = true;
  pair.nodes[0].kernel.traffic_creates(udp_flow());
  pair.run(20ms);
  pair.nodes[0].engine->drain(pair.now, 0, 7);
  pair.run(200ms);
  CHECK_FALSE(pair.nodes[0].drained);
  pair.network.cut = false;
  for (std::uint16_t i = 0; i < 600 && !pair.nodes[0].drained; ++i) {
    ConntrackEntry flow = udp_flow();
    flow.key.original.source_port = static_cast<std::uint16_t>(20'000 + i);
    flow.reply = flow.key.original.inverse();
    pair.nodes[0].kernel.traffic_creates(flow);
    pair.run(1ms);
  }
  REQUIRE(pair.nodes[0].drained);
  CHECK(pair.nodes[0].drained->plan == 7);
  CHECK(pair.nodes[1].kernel.find(udp_flow().key) != nullptr);
}

TEST_CASE("more events than the outbox holds end in a full send, not in growth") {
  RunningPair pair;
  pair.network.cut = true;
  pair.run(1500ms);
  Engine& engine = *pair.nodes[0].engine;
  ConntrackEntry entry = udp_flow();
  for (std::size_t i = 0; i <= Outbox::kMaxItems; ++i) {
    entry.key.zone = static_cast<std::uint16_t>(i);
    entry.key.original.source_port = static_cast<std::uint16_t>(i >> 16);
    engine.on_event(pair.now, ConntrackEvent{Change::created, entry});
  }
  pair.run(10ms);
  CHECK(engine.counters().outbox_overflows == 1);
  CHECK(engine.progress().peers[0].pending_events == 0);
  CHECK(pair.nodes[0].notices == 1);
  pair.network.cut = false;
  pair.run(2s);
  CHECK(pair.difference(0, 1) == "");
}
