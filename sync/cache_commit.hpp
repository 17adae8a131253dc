// What a FlowCache holds goes into the kernel, at a takeover: an order of batches, and what the kernel's
// refusals mean. Pure: next() gives a batch, on_applied() takes its refusals; whoever calls decides how fast,
// and forgets it to cancel. The cache must not change meanwhile.
//
//   assured flows -> related assured ones, level by level -> the other flows -> the other related ones, level
//   by level -> what is left of the related (their masters are gone) -> expectations
//
// Assured first, because a table that gets full shall hold those. A level is what has its master in the
// kernel; a flow whose master is not here or was refused goes without it.
// Timeouts are the state's normal ones, TCP windows are not checked (BE_LIBERAL).
// What is in the kernel already wins: a live flow. Where entries of a former turn as source may still stand
// there (leftovers), they are made liberal and their helpers are armed anew, as for every replica.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "sync/flow_cache.hpp"
#include "sync/timeouts.hpp"

namespace ftfw::sync {

struct CommitCounters {
  std::uint64_t created = 0;
  std::uint64_t present = 0;  // the kernel had it
  std::uint64_t without_master = 0;
  std::uint64_t without_helper = 0;
  std::uint64_t reply_clash = 0;  // another flow has the reply tuple
  std::uint64_t table_full = 0;
  std::uint64_t refused = 0;
  std::uint64_t expectations = 0;
  std::uint64_t expectations_refused = 0;

  std::uint64_t missing() const { return reply_clash + table_full + refused + expectations_refused; }
};

class CacheCommit {
 public:
  static constexpr std::size_t kMaxOperations = 256;  // in a batch: 1 to 2 ms
  static constexpr unsigned kMaxLevels = 16;          // of related flows; what is deeper goes without order

  CacheCommit(FlowCache& cache, const NormalTimeouts& timeouts, bool leftovers);

  // To the kernel, in this order; empty: everything is there. Then on_applied(), each time.
  std::span<const Operation> next();
  void on_applied(std::span<const Refusal> refusals);

  const CommitCounters& counters() const { return counters_; }

 private:
  using Ref = FlowCache::Ref;
  enum class Phase : std::uint8_t {
    assured,
    related_assured,
    others,
    related_others,
    forced,
    expectations,
    finished
  };
  struct Item {
    Ref ref = RecordArena::kNone;
    bool without_master = false;
    bool without_helper = false;
    bool probe = false;     // EEXIST: is it this one, or another one with its reply tuple?
    bool repeated = false;  // the answer was lost once
    bool expectation = false;
  };
  struct Related {
    Ref ref = RecordArena::kNone;
    bool assured = false;
  };

  void fill();
  void walk();
  void add_others();
  void add_related(bool all);
  void add_forced();
  void add_expectations();
  bool full() const { return operations_.size() >= kMaxOperations; }
  void add(const Item& item, ConntrackEntry&& entry);
  bool master_settled(const ConntrackEntry& entry) const;
  void conclude(Item item, int error);
  void conclude_create(Item item, int error);
  void conclude_probe(Item item, int error);
  void again(Item item) { retries_.push_back(item); }

  FlowCache& cache_;
  const NormalTimeouts& timeouts_;
  bool leftovers_;
  Phase phase_ = Phase::assured;
  Ref walked_ = RecordArena::kNone;
  std::vector<Ref> others_;
  std::vector<Related> related_;
  std::size_t next_ = 0;      // in others_ or related_
  std::size_t kept_ = 0;      // of related_, in the level under way
  bool level_added_ = false;  // something, in the level under way
  unsigned levels_ = 0;
  FlowCache::Cursor expected_;
  std::deque<Item> retries_;
  std::vector<Item> in_flight_;
  std::vector<Operation> operations_;
  std::vector<int> errors_;
  CommitCounters counters_;
};

}  // namespace ftfw::sync
