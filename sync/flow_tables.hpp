// Where this node's flows stand, and the one door to them: the kernel's table, and with `standby = "cache"` a
// FlowCache for the time as replica. The engines see one table (apply, begin_dump, next_dump_piece); the
// caller tells the changes of role and gives step() its turn, which does the work in the background a batch
// at a time. Pure but for the KernelTable it is given. Thread: the replication thread.
//
//   mode kernel: everything goes to the kernel, nothing else happens here.
//   mode cache:
//                 commit(), become_source()                       everything is in the kernel
//     [ replica ] ------------------------> [ committing ] ------------------------> [ source ]
//          ^     to the cache                     |          to the kernel               |
//          +--------------------------------------+--------------------------------------+
//                                     become_replica()
//
// A node that becomes replica, or starts, may hold flows of the pair in its kernel: the leftovers of its turn
// as source. The first dump for learning takes them into the cache. They stay in the kernel until a living
// source's table is known to stand in the cache (step(now, true)), then they are removed, paced. Meanwhile an
// operation of the source's on a key removes its leftover, so that what is left in the kernel is as it is in
// the cache, and a takeover in between may find it there: nothing is lost at any point, and nothing that the
// source let go comes back. While a commit is under way dumps wait, because the table is not whole yet.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "sync/cache_commit.hpp"
#include "sync/filter.hpp"
#include "sync/flow_cache.hpp"
#include "sync/hash_index.hpp"
#include "sync/kernel_table.hpp"
#include "sync/output.hpp"
#include "sync/pace.hpp"
#include "sync/settings.hpp"

namespace ftfw::sync {

struct FlowTablesCounters {
  CommitCounters commit;  // of the last or present one
  Duration commit_took{};
  std::uint64_t commits = 0;
  std::uint64_t commits_cancelled = 0;
  std::uint64_t taken = 0;      // leftovers into the cache
  std::uint64_t removed = 0;    // leftovers from the kernel, in the background
  std::uint64_t overtaken = 0;  // leftovers from the kernel, because the source spoke of them
  std::uint64_t kernel_failures = 0;
};

class FlowTables {
 public:
  static constexpr std::size_t kEntriesInPiece = 128;               // of the cache
  static constexpr std::size_t kMaxTouched = std::size_t{1} << 19;  // while leftovers are taken
  static constexpr Duration kRemoveAgain = 2s;                      // a removal that failed somewhere

  // kernel outlives it.
  FlowTables(KernelTable& kernel, const Settings& settings);
  FlowTables(const FlowTables&) = delete;
  FlowTables& operator=(const FlowTables&) = delete;

  // ---- the engines' table
  Result<std::vector<Refusal>> apply(std::span<const Operation> operations);
  Status begin_dump(DumpPurpose purpose);
  Result<DumpPiece> next_dump_piece();

  // ---- roles
  void become_replica(Instant now);
  void become_source(Instant now);
  // What was received until then is in the table: Engine's answer to a commit. Answered by take_finished().
  void commit(Instant now, CommitFinished received);
  std::optional<CommitFinished> take_finished();

  // ---- the background. mirrors_source: a living source's whole table stands here (Engine::mirrors_source).
  void step(Instant now, bool mirrors_source);
  std::optional<Instant> next_deadline(bool mirrors_source) const;
  // What a person must know, once each.
  std::vector<std::string> take_troubles();

  bool committing() const { return place_ == Place::committing; }
  bool caching() const { return place_ == Place::replica; }  // what is held is in the cache
  std::size_t cached() const { return cache_.size(); }
  std::size_t bytes() const { return cache_.bytes() + touched_.bytes(); }
  const FlowCache& cache() const { return cache_; }
  const FlowTablesCounters& counters() const { return counters_; }

 private:
  enum class Place : std::uint8_t { replica, committing, source };  // kernel mode is always source
  enum class Reading : std::uint8_t { nothing, kernel, leftovers, cache };

  void start_commit(Instant now);
  void step_commit(Instant now);
  void end_commit(Instant now);
  void step_removal(Instant now);
  void end_removal(Instant now, bool complete);
  void abandon_removal();
  void overtake(std::span<const Operation> operations, std::span<const Refusal> refusals);
  Result<DumpPiece> take_leftovers();
  void take(const ConntrackEntry& entry);
  bool touch(std::uint64_t place);

  KernelTable& kernel_;
  const Settings settings_;
  const Filter filter_;
  FlowCache cache_;
  Place place_;
  FlowTablesCounters counters_;
  std::vector<std::string> troubles_;

  // The engine's dump.
  Reading reading_ = Reading::nothing;
  bool waits_for_commit_ = false;
  FlowCache::Cursor cursor_;

  // Leftovers in the kernel.
  bool leftovers_ = false;
  bool taken_ = false;  // into the cache, as many as there are
  bool removing_ = false;
  bool removal_incomplete_ = false;
  Instant remove_not_before_{};
  Pace pace_;
  HashIndex touched_{kMaxTouched};  // keys that operations named since leftovers are taken
  bool touched_too_many_ = false;

  // The commit.
  std::optional<CacheCommit> commit_;
  Instant commit_began_{};
  std::optional<CommitFinished> received_;  // to be answered
  std::optional<CommitFinished> finished_;
};

}  // namespace ftfw::sync
