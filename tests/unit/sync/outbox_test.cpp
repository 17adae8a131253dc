#include "sync/outbox.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

TEST_CASE("an entry changed again before it was sent goes once, with all that is known") {
  Outbox outbox;
  ConntrackEntry created = tcp_flow(1, TcpState::syn_sent);
  created.labels = {1};
  outbox.push(Instant(1h), {Change::created, created});
  outbox.push(Instant(1h), {Change::updated, tcp_flow(1, TcpState::established)});
  const auto message = outbox.pop();
  REQUIRE(std::holds_alternative<wire::Entry>(*message));
  const auto& entry = std::get<wire::Entry>(*message);
  CHECK(entry.entry.tcp->state == TcpState::established);
  CHECK(entry.entry.labels == created.labels);
  CHECK_FALSE(outbox.pop().has_value());
  CHECK(outbox.coalesced() == 1);
}

TEST_CASE("a destroy replaces what waits, and a later creation goes behind it") {
  Outbox outbox;
  outbox.push(Instant(1h), {Change::updated, tcp_flow(1)});
  outbox.push(Instant(1h), {Change::updated, tcp_flow(2)});
  outbox.push(Instant(1h), {Change::destroyed, tcp_flow(1)});
  outbox.push(Instant(1h), {Change::created, tcp_flow(1)});
  outbox.push(Instant(1h), {Change::updated, tcp_flow(1, TcpState::time_wait)});
  CHECK(std::holds_alternative<wire::Destroyed>(*outbox.pop()));
  CHECK(std::get<wire::Entry>(*outbox.pop()).entry.key == tcp_flow(2).key);
  CHECK(std::get<wire::Entry>(*outbox.pop()).entry.tcp->state == TcpState::time_wait);
  CHECK(outbox.size() == 0);
}

TEST_CASE("the order of first reports is kept: master, related, expectation") {
  Outbox outbox;
  outbox.push(Instant(1h), {Change::updated, tcp_flow(1)});
  outbox.push(Instant(1h), {Change::created, related_flow(tcp_flow(1))});
  outbox.push(Instant(1h), {Change::created, expectation_of(tcp_flow(1))});
  outbox.push(Instant(1h), {Change::updated, tcp_flow(1)});
  CHECK_FALSE(std::get<wire::Entry>(*outbox.pop()).entry.master.has_value());
  CHECK(std::get<wire::Entry>(*outbox.pop()).entry.master.has_value());
  CHECK(std::holds_alternative<wire::Expected>(*outbox.pop()));
}

TEST_CASE("a full outbox refuses a new key and still merges a known one") {
  Outbox outbox;
  ConntrackEntry entry = udp_flow();
  for (std::size_t i = 0; i < Outbox::kMaxItems; ++i) {
    entry.key.zone = static_cast<std::uint16_t>(i);
    REQUIRE(outbox.push(Instant(1h), {Change::created, entry}));
  }
  CHECK(outbox.push(Instant(1h), {Change::updated, entry}));
  CHECK_FALSE(outbox.push(Instant(1h), {Change::created, tcp_flow()}));
  outbox.clear();
  CHECK(outbox.push(Instant(1h), {Change::created, tcp_flow()}));
  CHECK(outbox.head() == Outbox::kMaxItems);
}
