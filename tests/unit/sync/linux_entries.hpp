// Entries and shorthand for the tests of sync/linux.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "sync/linux/conntrack_table.hpp"

namespace ftfw::sync::testing {

inline IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}

inline Tuple tuple(std::uint8_t protocol, std::string_view source, std::uint16_t source_port,
                   std::string_view destination, std::uint16_t destination_port) {
  return {.source = address(source),
          .destination = address(destination),
          .protocol = protocol,
          .source_port = source_port,
          .destination_port = destination_port};
}

inline constexpr std::uint32_t kReplied = status::kConfirmed | status::kSeenReply;
inline constexpr std::uint32_t kAssured = kReplied | status::kAssured;

inline ConntrackEntry plain_entry(const Tuple& original, std::uint32_t bits = kAssured) {
  ConntrackEntry entry;
  entry.key.original = original;
  entry.reply = original.inverse();
  entry.status = bits;
  entry.timeout_s = 600;
  return entry;
}

inline ConntrackEntry tcp_entry(std::uint16_t source_port = 40'000, TcpState state = TcpState::established) {
  ConntrackEntry entry = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", source_port, "192.168.0.3", 80));
  entry.tcp = TcpInfo{.state = state,
                      .window_scale_original = 7,
                      .window_scale_reply = 9,
                      .flags_original = 3,
                      .flags_reply = 3};
  return entry;
}

inline ConntrackTable open_table() {
  auto table = ConntrackTable::open();
  REQUIRE_MESSAGE(table.has_value(), table.error().text);
  return std::move(*table);
}

inline std::vector<Refusal> apply(ConntrackTable& table, std::vector<Operation> operations) {
  auto refusals = table.apply(operations);
  REQUIRE(refusals.has_value());
  return *refusals;
}

// The errno of one operation, 0 if it was done.
template <typename Action>
int result_of(ConntrackTable& table, Action action) {
  const auto refusals = apply(table, {Operation{.id = 7, .action = std::move(action)}});
  if (refusals.empty()) return 0;
  CHECK(refusals.size() == 1);
  CHECK(refusals.front().id == 7);
  return refusals.front().error;
}

inline int create(ConntrackTable& table, const ConntrackEntry& entry) {
  return result_of(table, CreateConntrack{entry});
}

struct Dump {
  std::vector<ConntrackEntry> entries;
  std::vector<Expectation> expectations;

  const ConntrackEntry* find(const EntryKey& key) const {
    const auto found = std::ranges::find(entries, key, &ConntrackEntry::key);
    return found == entries.end() ? nullptr : &*found;
  }
};

inline Dump dump_of(ConntrackTable& table) {
  Dump dump;
  REQUIRE(table.begin_dump().has_value());
  for (;;) {
    auto piece = table.next_dump_piece();
    REQUIRE_MESSAGE(piece.has_value(), piece.error().text);
    dump.entries.insert(dump.entries.end(), piece->entries.begin(), piece->entries.end());
    dump.expectations.insert(dump.expectations.end(), piece->expectations.begin(), piece->expectations.end());
    if (piece->progress == DumpPiece::Progress::finished) return dump;
    REQUIRE(piece->progress == DumpPiece::Progress::more);
  }
}

// Creates it and returns what the kernel then says about it.
inline ConntrackEntry round_trip(ConntrackTable& table, const ConntrackEntry& entry) {
  REQUIRE(create(table, entry) == 0);
  const Dump dump = dump_of(table);
  const ConntrackEntry* found = dump.find(entry.key);
  REQUIRE(found != nullptr);
  return *found;
}

}  // namespace ftfw::sync::testing
