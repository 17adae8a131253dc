// What a standby with `standby = "cache"` holds instead of its kernel: conntracks as records of the wire's
// encoding (entry_codec.cpp) without timeouts, about 44 bytes each, and 11 to 21 bytes of index; expectations
// as values, because they are few. It answers operations as a kernel would (net/netfilter/
// nf_conntrack_netlink.c), so that the replica's engine needs no second way to think:
//   create    EEXIST (the original tuple is there), ENOMEM (full)
//   update    ENOENT; EBUSY (would take back SEEN_REPLY or ASSURED); without effect on the translation
//   delete    ENOENT; the expectations of the entry go with it
//   expect    ENOENT (no master), EEXIST, EMFILE (full)
// Unlike a kernel it takes a related entry without its master, knows every helper, and does not look at reply
// tuples: all that is found when its content is committed (cache_commit.hpp).
//
// Entries are found again only by their whole key, hashes that collide cost a look. Nothing expires here: the
// source says what ends. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "sync/kernel_table.hpp"
#include "sync/observation.hpp"
#include "sync/record_arena.hpp"

namespace ftfw::sync {

class FlowCache {
 public:
  using Ref = RecordArena::Ref;
  static constexpr std::size_t kMaxEntries = std::size_t{1} << 24;
  static constexpr std::size_t kMaxExpectations = std::size_t{1} << 16;
  // Space of removed entries is given back when it is more than what the others take, and more than this.
  static constexpr std::size_t kToleratedWaste = std::size_t{1} << 20;

  explicit FlowCache(std::size_t max_entries = kMaxEntries);

  // 0 or errno.
  int apply(const Operation& operation);
  std::vector<Refusal> apply(std::span<const Operation> operations);
  // Whatever is here of this key: it is this from now on. False: full.
  bool put(const ConntrackEntry& entry);
  bool put(const Expectation& expectation);
  void clear();

  std::size_t size() const { return size_; }
  std::size_t expectations() const { return expectations_.size(); }
  std::size_t bytes() const;  // the expectations estimated
  std::uint64_t refused_full() const { return refused_full_; }

  bool contains(const EntryKey& key) const { return find(key) != kNowhere; }
  std::optional<ConntrackEntry> entry(const EntryKey& key) const;

  // All entries, then all expectations, in pieces of about `most`, while the content changes: what no
  // operation names meanwhile comes exactly once. Interrupted if everything was moved under the reader.
  class Cursor {
    friend class FlowCache;
    std::uint64_t arrangement_ = 0;
    Ref after_ = RecordArena::kNone;
    bool entries_done_ = false;
    std::optional<ExpectationKey> after_expectation_;
  };
  Cursor begin() const;
  DumpPiece read(Cursor& cursor, std::size_t most) const;
  DumpPiece read_expectations(Cursor& cursor, std::size_t most) const;  // those alone

  // ---- for the commit, which walks the records while nothing else changes
  Ref after(Ref ref) const { return arena_.after(ref); }
  ConntrackEntry decode(Ref ref) const;
  bool done(Ref ref) const { return arena_.marked(ref); }
  void set_done(Ref ref, bool done) { arena_.mark(ref, done); }
  Ref ref_of(const EntryKey& key) const;  // kNone: not here

 private:
  struct Slot {
    std::uint32_t tag = 0;  // of the key's hash
    Ref ref = RecordArena::kNone;
  };
  static constexpr std::size_t kNowhere = SIZE_MAX;

  std::size_t find(const EntryKey& key) const;  // the slot
  std::size_t free_slot(std::uint32_t tag) const;
  int create(const ConntrackEntry& entry);
  int update(const ConntrackEntry& entry);
  int remove(const EntryKey& key);
  int expect(const Expectation& expectation);
  int unexpect(const ExpectationKey& key);
  bool insert(const ConntrackEntry& entry);
  bool store(std::size_t slot, const ConntrackEntry& entry);
  ByteSpan encode(const ConntrackEntry& entry);
  void grow();
  void erase_slot(std::size_t hole);
  void give_back_waste();

  std::size_t max_entries_;
  RecordArena arena_;
  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  std::uint64_t arrangement_ = 1;  // of the records; changes when all were moved
  std::map<ExpectationKey, Expectation> expectations_;
  std::set<std::pair<EntryKey, ExpectationKey>> by_master_;
  ByteVector encoded_;
  std::uint64_t refused_full_ = 0;
};

}  // namespace ftfw::sync
