// The one place that writes to the kernel's table: a queue of tasks becomes batches of operations, their
// refusals become the next tries, and the index remembers what is there. One batch is under way at a time and
// holds a key once, so that a retry never overtakes a later change of the same entry. The queue is bounded by
// whoever fills it asking has_room() first; a frame or a dumped piece that was taken is never refused.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "appliance/base/time.hpp"
#include "sync/counters.hpp"
#include "sync/hash_index.hpp"
#include "sync/observation.hpp"
#include "sync/operations.hpp"
#include "sync/task.hpp"

namespace ftfw::sync {

class Injector {
 public:
  static constexpr std::size_t kMaxQueued = 8192;     // has_room(): below it
  static constexpr std::size_t kMaxOperations = 128;  // in one batch; 16 to 64 a message is the kernel's knee
  static constexpr std::size_t kMaxIndexed = std::size_t{1} << 24;
  static constexpr Duration kBetweenSettlings = 5ms;  // after a takeover: at most 25,600 timeouts a second

  // in_cache: the table it writes to is no kernel, so there are no windows to be liberal about.
  Injector(std::uint32_t parked_s, bool in_cache, Counters& counters);

  void push(Task task) { queue_.push_back(std::move(task)); }
  bool has_room() const { return queue_.size() < kMaxQueued; }
  // Nothing waits and nothing is under way.
  bool idle() const { return queue_.empty() && !awaiting_; }
  std::size_t waiting() const { return queue_.size() + in_flight_.size(); }

  // The next batch, unless one is under way. Marks that were reached on the way are appended to `reached`.
  std::optional<std::vector<Operation>> next(Instant now, std::vector<Mark>& reached);
  void on_applied(Instant now, std::span<const Refusal> refusals);
  std::optional<Instant> next_deadline() const { return settle_at_; }

  // New role: what waits is dropped, what is under way is no longer followed up, the index is forgotten.
  void clear();
  // The node became the source with entries still waiting: live traffic is newer, so they only fill holes.
  void only_fill_holes();

  // The index. A generation is one full send or compare; what it confirmed is of that generation or newer.
  void learn(const ConntrackEntry& entry);  // found in the own kernel
  // Likewise, by a compare: confirmed. named: a message since it began names it, which is newer.
  void seen(const ConntrackEntry& entry, bool named);
  void seen(const Expectation& expectation, bool named);
  bool confirmed(const EntryKey& key, std::uint32_t generation) const;
  bool confirmed(const ExpectationKey& key, std::uint32_t generation) const;
  void forget_older_than(std::uint32_t generation, const RangeSet* only = nullptr);
  std::uint32_t generation() const { return generation_; }
  bool index_complete() const { return index_complete_; }
  std::size_t indexed() const { return entries_.size() + expectations_.size(); }
  std::size_t index_bytes() const { return entries_.bytes() + expectations_.bytes(); }

 private:
  enum class Kind : std::uint8_t {
    create,
    update,
    replace,
    destroy,
    liberal,
    renew,
    timeout,
    expect,
    unexpect
  };
  struct InFlight {
    Task task;
    Kind kind = Kind::create;
    std::size_t deciding = 0;  // which operation of the batch says how it ended
    std::uint64_t hash = 0;
  };
  using Batch = std::vector<Operation>;

  bool start(Task& task, std::uint64_t hash, Batch& batch);
  void start_upsert(Upsert& upsert, std::uint64_t hash, Batch& batch);
  template <typename Action>
  void add(Batch& batch, Action action, bool be_liberal = false);
  void follow(Task task, Kind kind, std::uint64_t hash, const Batch& batch);
  Upsert::Step decide(const Upsert& upsert, std::uint64_t hash) const;
  bool lacks_master(const ConntrackEntry& entry, std::uint64_t hash) const;
  void conclude(InFlight& done, int error, std::vector<Task>& retries);
  void conclude_expectation(InFlight& done, int error, std::vector<Task>& retries);
  void conclude_upsert(InFlight& done, int error, std::vector<Task>& retries);
  void confirm(const Upsert& upsert, Kind kind, std::uint64_t hash);
  bool confirmed(const HashIndex& index, std::uint64_t hash, std::uint32_t generation) const;
  void index(HashIndex& index, std::uint64_t hash, std::uint32_t note);

  bool half_run_out(const ConntrackEntry& entry, std::uint64_t hash) const;

  std::uint32_t parked_s_;
  bool in_cache_;
  Counters& counters_;
  std::deque<Task> queue_;
  std::vector<InFlight> in_flight_;
  std::unordered_set<std::uint64_t> keys_in_batch_;
  std::unordered_set<std::uint64_t> retried_;  // keys whose operation of this batch is tried again
  bool awaiting_ = false;
  bool fill_holes_only_ = false;
  std::uint64_t next_id_ = 1;
  std::uint64_t first_id_ = 0;
  std::size_t batch_size_ = 0;
  std::optional<Instant> settle_at_;
  HashIndex entries_{kMaxIndexed};
  HashIndex expectations_{kMaxIndexed};
  std::uint32_t generation_ = 0;
  bool index_complete_ = true;
};

}  // namespace ftfw::sync
