// A kernel's conntrack table as far as ctnetlink shows it: the rules of nf_conntrack_netlink.c that decide
// what a create or update is refused for (README.md of sync/), and events for what traffic and timers do.
// Operations of the appliance itself make no events, as the filter on its port id has it. A fake: small,
// honest, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sync/hash.hpp"
#include "sync/kernel_table.hpp"
#include "sync/observation.hpp"

namespace ftfw::sim {

class FakeConntrack {
 public:
  struct Stored {
    sync::ConntrackEntry entry;
    bool liberal = false;
  };

  std::size_t max_entries = 1'000'000;
  std::set<std::string> helpers{"ftp", "sip"};  // loaded modules
  std::function<void(sync::Event)> on_event;    // captured; unset: nobody listens

  // ---- ctnetlink ----
  int apply(const sync::Operation& operation);  // 0 or errno
  std::vector<sync::Refusal> apply(std::span<const sync::Operation> operations);

  // A dump in pieces, in the order of the kernel's hash table, while the table may change.
  struct Piece {
    std::vector<sync::ConntrackEntry> entries;
    std::vector<sync::Expectation> expectations;
    bool last = false;
  };
  class Cursor {
    friend class FakeConntrack;
    std::optional<std::pair<std::uint64_t, sync::EntryKey>> after_;
    bool entries_done_ = false;
  };
  Piece dump(Cursor& cursor, std::size_t most) const;

  // ---- traffic, timers, an administrator ----
  bool traffic_creates(sync::ConntrackEntry entry);  // false: the tuples are taken
  // A packet changed it: `change` edits the entry, `report` what of it the event carries (status always
  // does).
  bool traffic_updates(const sync::EntryKey& key, const std::function<void(sync::ConntrackEntry&)>& change);
  bool destroy(const sync::EntryKey& key);
  bool traffic_expects(const sync::Expectation& expectation);
  bool destroy(const sync::ExpectationKey& key);

  const Stored* find(const sync::EntryKey& key) const;
  const std::map<std::pair<std::uint64_t, sync::EntryKey>, Stored>& entries() const { return entries_; }
  const std::map<sync::ExpectationKey, sync::Expectation>& expectations() const { return expectations_; }

 private:
  int create(const sync::ConntrackEntry& entry, bool be_liberal);
  int update(const sync::ConntrackEntry& entry, bool be_liberal);
  int expect(const sync::Expectation& expectation);
  bool insert(Stored stored);
  bool remove(const sync::EntryKey& key);
  Stored* lookup(const sync::EntryKey& key);
  void emit(sync::Event event) const;

  std::map<std::pair<std::uint64_t, sync::EntryKey>, Stored> entries_;
  std::map<sync::EntryKey, sync::EntryKey> tuples_;  // both directions of every entry -> its key
  std::map<sync::ExpectationKey, sync::Expectation> expectations_;
};

// It as what FlowTables writes to and reads.
class FakeKernelTable final : public sync::KernelTable {
 public:
  FakeKernelTable(FakeConntrack& conntrack, std::size_t in_piece)
      : entries_in_piece(in_piece), conntrack_(conntrack) {}

  Result<std::vector<sync::Refusal>> apply(std::span<const sync::Operation> operations) override {
    if (broken) return fail(Blame::kernel, "the socket is broken");
    return conntrack_.apply(operations);
  }
  Status begin_dump() override;
  Result<sync::DumpPiece> next_dump_piece() override;

  bool broken = false;
  std::size_t entries_in_piece = 0;

 private:
  FakeConntrack& conntrack_;
  FakeConntrack::Cursor cursor_;
};

}  // namespace ftfw::sim
