// Flows below the minimum age, and flows whose state does not travel: what the source says, and that the
// compare of the tables agrees with it.
#include "sync/young_flows.hpp"

#include <doctest/doctest.h>

#include "sync/source.hpp"
#include "tests/unit/sync/pair.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr Instant kStart{1h};
constexpr Duration kAge = 2s;

// A source whose first compare is over.
struct Bench {
  explicit Bench(std::vector<TcpState> states = {}, Duration age = kAge) {
    settings.minimum_age = age;
    settings.tcp_states = std::move(states);
    filter.emplace(settings);
    source.emplace(settings, *filter, counters, 1);
    source->start(kStart - Source::kTrafficFirst);
    source->begin_when_due(kStart, 1);
    source->on_dump_end(kStart, true);
    sent(kStart);
    CHECK(source->reconciling() == Reconciling::idle);
  }

  std::vector<wire::Message> sent(Instant now) {
    std::vector<wire::Message> messages;
    while (auto message = source->next(now)) messages.push_back(std::move(*message));
    return messages;
  }
  void event(Change change, const ConntrackEntry& entry, Instant now = kStart) {
    source->on_event(now, ConntrackEvent{change, entry});
  }

  Settings settings;
  std::optional<Filter> filter;
  Counters counters;
  std::optional<Source> source;
};

const ConntrackEntry& entry_of(const wire::Message& message) {
  REQUIRE(std::holds_alternative<wire::Entry>(message));
  return std::get<wire::Entry>(message).entry;
}

}  // namespace

TEST_CASE("a flow is sent when it is old enough, with what its updates said meanwhile") {
  Bench bench;
  ConntrackEntry flow = udp_flow();
  flow.labels = {1};
  bench.event(Change::created, flow);
  ConntrackEntry update{.key = flow.key, .reply = flow.reply, .status = *flow.status | status::kSeenReply};
  update.mark = 7;
  bench.event(Change::updated, update, kStart + 1s);

  CHECK(bench.sent(kStart + kAge - 1ns).empty());
  CHECK(bench.source->next_deadline(true, true) == kStart + kAge);
  const auto messages = bench.sent(kStart + kAge);

  REQUIRE(messages.size() == 1);
  CHECK(entry_of(messages[0]).labels == flow.labels);
  CHECK(entry_of(messages[0]).mark == 7);
  CHECK(entry_of(messages[0]).status == update.status);
  bench.event(Change::destroyed, flow, kStart + 3s);
  CHECK(bench.sent(kStart + 3s).size() == 1);
}

TEST_CASE("a flow that ends young is never spoken of") {
  Bench bench;
  bench.event(Change::created, udp_flow());
  bench.event(Change::destroyed, udp_flow(), kStart + 1s);
  CHECK(bench.sent(kStart + 1h).empty());
  CHECK(bench.counters.flows_ended_young == 1);
  CHECK(bench.source->young_flows() == 0);
}

TEST_CASE("TCP counts its age from the first reply, and a flood of SYNs is not kept at all") {
  Bench bench;
  bench.event(Change::created, tcp_flow(1, TcpState::syn_sent));
  CHECK(bench.source->young_flows() == 0);
  bench.event(Change::updated, tcp_flow(1, TcpState::syn_recv), kStart + 1s);
  bench.event(Change::updated, tcp_flow(1, TcpState::established), kStart + 1s);
  CHECK(bench.sent(kStart + 1s).empty());
  const auto messages = bench.sent(kStart + 1s + kAge);
  REQUIRE(messages.size() == 1);
  CHECK(entry_of(messages[0]).tcp->state == TcpState::established);
}

TEST_CASE("a master is sent at once when its expectation comes") {
  Bench bench;
  const ConntrackEntry control = tcp_flow(1, TcpState::syn_recv);
  bench.event(Change::updated, control);
  bench.source->on_event(kStart, ExpectationEvent{Change::created, expectation_of(control)});
  const auto messages = bench.sent(kStart);
  REQUIRE(messages.size() == 2);
  CHECK(entry_of(messages[0]).key == control.key);
  CHECK(std::holds_alternative<wire::Expected>(messages[1]));
}

TEST_CASE("what begins while a send reads the table is not kept back, nor is its master") {
  Bench bench({}, 2h);
  const ConntrackEntry control = tcp_flow(1, TcpState::syn_recv);
  bench.event(Change::updated, control);
  const Instant later = kStart + 1h;
  REQUIRE(bench.source->begin_when_due(later, 2) == DumpPurpose::full_send);
  bench.event(Change::created, related_flow(control), later);
  const auto messages = bench.sent(later);
  REQUIRE(messages.size() == 3);
  CHECK(std::holds_alternative<wire::Begin>(messages[0]));
  CHECK(entry_of(messages[1]).key == control.key);
  CHECK(entry_of(messages[2]).key == related_flow(control).key);
}

TEST_CASE("beyond the limit the oldest flows go early") {
  Bench bench;
  for (std::size_t i = 0; i <= YoungFlows::kMaxFlows; ++i) {
    ConntrackEntry flow = udp_flow(static_cast<std::uint16_t>(i));
    flow.key.zone = static_cast<std::uint16_t>(i >> 16);
    bench.event(Change::created, flow);
  }
  CHECK(bench.source->young_flows() == YoungFlows::kMaxFlows);
  CHECK(bench.counters.young_overflows == 1);
  const auto messages = bench.sent(kStart);
  REQUIRE(messages.size() == 1);
  CHECK(entry_of(messages[0]).key == udp_flow(0).key);
}

TEST_CASE("after an overrun nothing counts as young: its end may have been lost") {
  Bench bench;
  bench.event(Change::created, udp_flow());
  bench.source->on_overrun(kStart);
  CHECK(bench.source->young_flows() == 0);
}

TEST_CASE("a flow that leaves the states that travel is taken away from the replica") {
  Bench bench({TcpState::syn_recv, TcpState::established}, 0s);
  bench.event(Change::created, tcp_flow(1, TcpState::syn_sent));
  bench.event(Change::updated, tcp_flow(1, TcpState::established));
  CHECK(std::holds_alternative<wire::Entry>(bench.sent(kStart).at(0)));
  bench.event(Change::updated, tcp_flow(1, TcpState::fin_wait));
  const auto messages = bench.sent(kStart);
  REQUIRE(messages.size() == 1);
  CHECK(std::get<wire::Destroyed>(messages[0]).key == tcp_flow(1).key);
}

TEST_CASE("SYN_SENT travels where it is wanted") {
  Bench bench({TcpState::syn_sent, TcpState::established}, 0s);
  bench.event(Change::created, tcp_flow(1, TcpState::syn_sent));
  REQUIRE(bench.sent(kStart).size() == 1);
  bench.event(Change::destroyed, tcp_flow(1, TcpState::syn_sent));
  CHECK(bench.sent(kStart).size() == 1);
}

TEST_CASE("compares see no difference in young flows and in states that do not travel, however busy") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, 1s, Pair::Options::drawn);
    for (Pair::Node& node : pair.nodes) {
      node.settings.minimum_age = 200ms;
      if (seed % 2 == 0) node.settings.tcp_states = {TcpState::syn_recv, TcpState::established};
      if (seed % 2 != 0) node.settings.tcp_states = {};
    }
    pair.dumps_fail = false;
    pair.expects = false;  // a master that comes late makes a difference in what is related to it
    pair.restart(0);
    pair.restart(1);
    pair.become_source(0);
    pair.dump_piece = 64;  // much is read before the event that created it is
    for (int i = 0; i < 12'000; ++i) {
      for (int n = 0; n < 4; ++n) pair.traffic(0);
      pair.step();
    }
    const Counters& source = pair.nodes[0].engine->counters();
    CHECK(source.compares_finished >= 8);
    CHECK(source.flows_ended_young > 0);
    CHECK(source.ranges_differing == 0);
    pair.run(2s);
    CHECK(pair.difference(0, 1) == "");
  }
}
