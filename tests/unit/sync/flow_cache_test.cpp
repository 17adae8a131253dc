#include "sync/flow_cache.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <cerrno>
#include <map>
#include <random>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

int create(FlowCache& cache, const ConntrackEntry& entry) {
  return cache.apply(Operation{.action = CreateConntrack{entry}});
}
int update(FlowCache& cache, const ConntrackEntry& entry) {
  return cache.apply(Operation{.action = UpdateConntrack{entry}});
}
int remove(FlowCache& cache, const EntryKey& key) {
  return cache.apply(Operation{.action = DeleteConntrack{key}});
}
int expect(FlowCache& cache, const Expectation& expectation) {
  return cache.apply(Operation{.action = CreateExpectation{expectation}});
}

struct Content {
  std::vector<ConntrackEntry> entries;
  std::vector<Expectation> expectations;
  bool interrupted = false;
};
Content read_all(const FlowCache& cache, std::size_t most = 7) {
  Content content;
  FlowCache::Cursor cursor = cache.begin();
  for (;;) {
    const DumpPiece piece = cache.read(cursor, most);
    content.entries.insert(content.entries.end(), piece.entries.begin(), piece.entries.end());
    content.expectations.insert(content.expectations.end(), piece.expectations.begin(),
                                piece.expectations.end());
    content.interrupted = piece.progress == DumpPiece::Progress::interrupted;
    if (piece.progress != DumpPiece::Progress::more) return content;
  }
}

std::uint32_t draw(std::mt19937& random, std::uint32_t sides) {
  return static_cast<std::uint32_t>(random() % sides);
}

ConntrackEntry numbered_flow(std::uint32_t number) {
  ConntrackEntry entry = tcp_flow(static_cast<std::uint16_t>(number));
  const auto subnet = static_cast<std::uint8_t>(number >> 16);
  entry.key.original.source = IpAddress::ipv4({10, 1, subnet, 3});
  entry.reply.destination_port = static_cast<std::uint16_t>(number);
  return entry;
}

}  // namespace

TEST_CASE("what was created is read back, without timeout and with what a kernel would derive") {
  FlowCache cache;
  ConntrackEntry entry = tcp_flow();
  entry.mark = 7;
  entry.labels = {1, 2, 3, 4};
  entry.helper = "ftp";
  entry.key.zone = 5;
  entry.sequence_adjustment.emplace()[1] = {.position = 1, .offset_before = 2, .offset_after = 3};
  REQUIRE(create(cache, entry) == 0);
  ConntrackEntry expected = entry;
  expected.timeout_s.reset();
  *expected.status &= status::kCarried;
  expected.tcp->flags_original = 0x03;
  expected.tcp->flags_reply = 0x03;
  CHECK(cache.entry(entry.key) == expected);

  const ConntrackEntry related = related_flow(tcp_flow());
  REQUIRE(create(cache, related) == 0);  // its master is not here
  CHECK((*cache.entry(related.key)->status & status::kExpected) != 0);
}

TEST_CASE("it refuses what a kernel refuses") {
  FlowCache cache(2);
  const ConntrackEntry flow = tcp_flow();
  CHECK(update(cache, flow) == ENOENT);
  CHECK(remove(cache, flow.key) == ENOENT);
  CHECK(create(cache, flow) == 0);
  CHECK(create(cache, flow) == EEXIST);
  ConntrackEntry older = flow;
  *older.status &= ~status::kAssured;
  CHECK(update(cache, older) == EBUSY);
  CHECK(create(cache, udp_flow(1)) == 0);
  CHECK(create(cache, udp_flow(2)) == ENOMEM);
  CHECK(cache.refused_full() == 1);
  CHECK(remove(cache, flow.key) == 0);
  CHECK(create(cache, udp_flow(2)) == 0);
  CHECK(cache.size() == 2);
}

TEST_CASE("an update changes what it carries and nothing else") {
  FlowCache cache;
  ConntrackEntry entry = tcp_flow(40000, TcpState::syn_recv);
  entry.mark = 1;
  entry.helper = "ftp";
  REQUIRE(create(cache, entry) == 0);

  ConntrackEntry change;
  change.key = entry.key;
  change.reply = entry.key.original.inverse();  // an update cannot change the translation
  change.tcp = TcpInfo{.state = TcpState::none, .window_scale_reply = 5};
  change.status = *entry.status | status::kAssured;
  change.labels = {0, 0, 0, 9};
  REQUIRE(update(cache, change) == 0);

  const auto known = cache.entry(entry.key);
  REQUIRE(known);
  CHECK(known->reply == entry.reply);
  CHECK(known->tcp->state == TcpState::syn_recv);
  CHECK(known->tcp->window_scale_reply == 9);
  CHECK((*known->status & status::kAssured) != 0);
  CHECK(known->mark == 1U);
  CHECK(known->helper == "ftp");
  CHECK(known->labels == change.labels);

  change = {};
  change.key = entry.key;
  change.mark = 0;
  REQUIRE(update(cache, change) == 0);
  CHECK(cache.entry(entry.key)->mark.value_or(0) == 0);
}

TEST_CASE("expectations need their master and go with it") {
  FlowCache cache;
  ConntrackEntry master = tcp_flow(40000);
  master.helper = "ftp";
  const Expectation expectation = expectation_of(master);
  CHECK(expect(cache, expectation) == ENOENT);
  REQUIRE(create(cache, master) == 0);
  CHECK(expect(cache, expectation) == 0);
  CHECK(expect(cache, expectation) == EEXIST);
  REQUIRE(expect(cache, expectation_of(master, 20002)) == 0);
  CHECK(cache.apply(Operation{.action = DeleteExpectation{expectation.key}}) == 0);
  CHECK(cache.apply(Operation{.action = DeleteExpectation{expectation.key}}) == ENOENT);
  CHECK(read_all(cache).expectations == std::vector{expectation_of(master, 20002)});
  REQUIRE(remove(cache, master.key) == 0);
  CHECK(cache.expectations() == 0);
}

TEST_CASE("a thousand random changes: the cache holds what a plain map holds") {
  std::mt19937 random(7);
  FlowCache cache;
  std::map<EntryKey, ConntrackEntry> model;
  for (int i = 0; i < 20'000; ++i) {
    ConntrackEntry entry = numbered_flow(draw(random, 300));
    if (draw(random, 5) == 0) entry.helper = "ftp";
    if (draw(random, 7) == 0) entry.labels.assign(16, 1);
    if (draw(random, 3) == 0) entry.mark = draw(random, 4);
    if (draw(random, 2) == 0) {
      const bool there = model.contains(entry.key);
      REQUIRE(remove(cache, entry.key) == (there ? 0 : ENOENT));
      model.erase(entry.key);
    } else {
      REQUIRE(cache.put(entry));
      model[entry.key] = entry;
    }
  }
  CHECK(cache.size() == model.size());
  const Content content = read_all(cache);
  CHECK(content.entries.size() == model.size());
  for (const ConntrackEntry& entry : content.entries) {
    const auto found = model.find(entry.key);
    REQUIRE(found != model.end());
    CHECK(entry.helper == found->second.helper);
    CHECK(entry.labels == found->second.labels);
    CHECK(entry.mark.value_or(0) == found->second.mark.value_or(0));
    CHECK(cache.contains(entry.key));
  }
}

TEST_CASE("a dump sees once what no operation names meanwhile") {
  std::mt19937 random(3);
  FlowCache cache;
  for (std::uint32_t i = 0; i < 1000; ++i) REQUIRE(create(cache, numbered_flow(i)) == 0);
  std::map<EntryKey, int> seen;
  FlowCache::Cursor cursor = cache.begin();
  for (DumpPiece piece; piece.progress == DumpPiece::Progress::more;) {
    piece = cache.read(cursor, 10);
    for (const ConntrackEntry& entry : piece.entries) ++seen[entry.key];
    // Odd ones change their size, vanish and come back.
    for (int change = 0; change < 10; ++change) {
      ConntrackEntry entry = numbered_flow(draw(random, 500) * 2 + 1);
      entry.helper = draw(random, 2) == 0 ? "ftp" : "";
      if (draw(random, 3) == 0) {
        remove(cache, entry.key);
      } else {
        cache.put(entry);
      }
    }
  }
  for (std::uint32_t i = 0; i < 1000; i += 2) CHECK(seen[numbered_flow(i).key] == 1);
}

TEST_CASE("space of what was removed is used again and given back, and a reader is told") {
  FlowCache cache;
  constexpr std::uint32_t kMany = 100'000;
  for (std::uint32_t i = 0; i < kMany; ++i) REQUIRE(create(cache, numbered_flow(i)) == 0);
  const std::size_t full = cache.bytes();
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < kMany; i += 2) REQUIRE(remove(cache, numbered_flow(i).key) == 0);
    for (std::uint32_t i = 0; i < kMany; i += 2) REQUIRE(create(cache, numbered_flow(i)) == 0);
  }
  CHECK(cache.bytes() == full);

  FlowCache::Cursor cursor = cache.begin();
  CHECK(cache.read(cursor, 10).entries.size() == 10);
  for (std::uint32_t i = 100; i < kMany; ++i) {
    const Operation operation{.action = DeleteConntrack{numbered_flow(i).key}};
    REQUIRE(cache.apply(std::span(&operation, 1)).empty());
  }
  CHECK(cache.bytes() < full / 2);
  CHECK(cache.read(cursor, 10).progress == DumpPiece::Progress::interrupted);
  CHECK(read_all(cache).entries.size() == 100);
  for (std::uint32_t i = 0; i < 100; ++i) CHECK(cache.contains(numbered_flow(i).key));
}

TEST_CASE("a flow with source NAT takes less than 70 bytes, as malloc counts") {
  constexpr std::uint32_t kMany = 100'000;
  const auto allocated = [] {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const std::size_t before = allocated();
  FlowCache cache;
  for (std::uint32_t i = 0; i < kMany; ++i) REQUIRE(create(cache, numbered_flow(i)) == 0);
  const double per_flow = static_cast<double>(allocated() - before) / kMany;
  const double own_count = static_cast<double>(cache.bytes()) / kMany;
  MESSAGE(per_flow << " bytes a flow by malloc, " << own_count << " by its own count");
  CHECK(per_flow < 70);
  CHECK(own_count < 70);
}
