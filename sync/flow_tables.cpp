#include "sync/flow_tables.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cerrno>
#include <utility>

#include "sync/range_set.hpp"

namespace ftfw::sync {
namespace {

// A dump of the kernel says neither state nor timeout of a flow in a flowtable; only established ones are
// there.
ConntrackEntry whole(const ConntrackEntry& entry) {
  ConntrackEntry known = entry;
  if (known.key.original.protocol == IPPROTO_TCP && !known.tcp) {
    known.tcp = TcpInfo{.state = TcpState::established};
  }
  return known;
}

// The key of an operation as its place, and what removes the kernel's entry of that key.
struct Named {
  std::uint64_t place = 0;
  Operation removal;
};
Named named_by(const Operation& operation) {
  const auto of_entry = [](const EntryKey& key) {
    return Named{.place = place_of(key), .removal = {.action = DeleteConntrack{key}}};
  };
  const auto of_expectation = [](const ExpectationKey& key) {
    return Named{.place = place_of(key), .removal = {.action = DeleteExpectation{key}}};
  };
  const auto& action = operation.action;
  if (const auto* create = std::get_if<CreateConntrack>(&action)) return of_entry(create->entry.key);
  if (const auto* update = std::get_if<UpdateConntrack>(&action)) return of_entry(update->entry.key);
  if (const auto* remove = std::get_if<DeleteConntrack>(&action)) return of_entry(remove->key);
  if (const auto* expect = std::get_if<CreateExpectation>(&action)) {
    return of_expectation(expect->expectation.key);
  }
  return of_expectation(std::get<DeleteExpectation>(action).key);
}

bool is_delete(const Operation& operation) {
  return std::holds_alternative<DeleteConntrack>(operation.action) ||
         std::holds_alternative<DeleteExpectation>(operation.action);
}

}  // namespace

FlowTables::FlowTables(KernelTable& kernel, const Settings& settings)
    : kernel_(kernel),
      settings_(settings),
      filter_(settings_),
      cache_(settings_.cache_entries),
      place_(settings_.cache ? Place::replica : Place::source),
      leftovers_(settings_.cache) {}

// ---- the engines' table

Result<std::vector<Refusal>> FlowTables::apply(std::span<const Operation> operations) {
  if (place_ != Place::replica) return kernel_.apply(operations);
  std::vector<Refusal> refusals = cache_.apply(operations);
  if (leftovers_) overtake(operations, refusals);
  return refusals;
}

// The source's word on a key is newer than the leftover of that key.
void FlowTables::overtake(std::span<const Operation> operations, std::span<const Refusal> refusals) {
  std::vector<Operation> removals;
  std::size_t refused = 0;
  for (const Operation& operation : operations) {
    const bool was_refused = refused < refusals.size() && refusals[refused].id == operation.id;
    if (was_refused) ++refused;
    // What was not done here says nothing; that a deleted one was not here says that it shall not come.
    if (was_refused && !is_delete(operation)) continue;
    Named named = named_by(operation);
    if (!taken_ && !touched_.put(named.place, 0, 0)) touched_too_many_ = true;
    named.removal.id = removals.size();
    removals.push_back(std::move(named.removal));
  }
  if (removals.empty()) return;
  const auto answer = kernel_.apply(removals);
  if (!answer) {
    ++counters_.kernel_failures;
    return;
  }
  counters_.overtaken += removals.size() - answer->size();
  for (const Refusal& refusal : *answer) {
    if (refusal.error != ENOENT) ++counters_.kernel_failures;
  }
}

Status FlowTables::begin_dump(DumpPurpose purpose) {
  waits_for_commit_ = false;
  if (place_ == Place::replica && (purpose != DumpPurpose::learn || !leftovers_ || taken_)) {
    reading_ = Reading::cache;
    cursor_ = cache_.begin();
    return {};
  }
  abandon_removal();
  reading_ = place_ == Place::replica ? Reading::leftovers : Reading::kernel;
  waits_for_commit_ = place_ == Place::committing;
  return waits_for_commit_ ? Status{} : kernel_.begin_dump();
}

Result<DumpPiece> FlowTables::next_dump_piece() {
  if (waits_for_commit_) {
    if (place_ == Place::committing) return DumpPiece{};
    waits_for_commit_ = false;
    if (const Status begun = kernel_.begin_dump(); !begun) return std::unexpected(begun.error());
  }
  switch (reading_) {
    case Reading::nothing:
      break;
    case Reading::kernel:
      return kernel_.next_dump_piece();
    case Reading::leftovers:
      return take_leftovers();
    case Reading::cache:
      return cache_.read(cursor_, kEntriesInPiece);
  }
  return fail(Blame::kernel, "no dump was begun");
}

// The kernel's entries go into the cache; then the cache is what is read.
Result<DumpPiece> FlowTables::take_leftovers() {
  if (place_ != Place::replica) return DumpPiece{.progress = DumpPiece::Progress::interrupted};
  auto piece = kernel_.next_dump_piece();
  if (!piece) return piece;
  for (const ConntrackEntry& entry : piece->entries) take(entry);
  for (const Expectation& expectation : piece->expectations) {
    if (filter_.covers(expectation) && !touch(place_of(expectation.key))) cache_.put(expectation);
  }
  piece->entries.clear();
  piece->expectations.clear();
  if (piece->progress != DumpPiece::Progress::finished) return piece;
  taken_ = true;
  touched_.clear();
  reading_ = Reading::cache;
  cursor_ = cache_.begin();
  return DumpPiece{};
}

// After too many operations nobody knows which keys they named: then the source has to say it all.
bool FlowTables::touch(std::uint64_t place) {
  return touched_too_many_ || touched_.find(place) != nullptr;
}

void FlowTables::take(const ConntrackEntry& entry) {
  if (!filter_.covers(entry) || touch(place_of(entry.key))) return;
  if (cache_.put(whole(entry))) ++counters_.taken;
}

// ---- roles

void FlowTables::become_replica(Instant now) {
  if (!settings_.cache || place_ == Place::replica) return;
  if (commit_) ++counters_.commits_cancelled;
  commit_.reset();
  received_.reset();
  place_ = Place::replica;
  leftovers_ = true;
  taken_ = false;
  touched_.clear();
  touched_too_many_ = false;
  remove_not_before_ = now;
}

void FlowTables::become_source(Instant now) {
  if (place_ == Place::replica) start_commit(now);
}

void FlowTables::commit(Instant now, CommitFinished received) {
  if (place_ == Place::source) {
    finished_ = received;
    return;
  }
  received_ = received;
  if (place_ == Place::replica) start_commit(now);
}

std::optional<CommitFinished> FlowTables::take_finished() {
  return std::exchange(finished_, std::nullopt);
}

// ---- the commit

void FlowTables::start_commit(Instant now) {
  abandon_removal();
  place_ = Place::committing;
  commit_began_ = now;
  ++counters_.commits;
  commit_.emplace(cache_, settings_.normal_timeouts, leftovers_);
}

void FlowTables::step_commit(Instant now) {
  const std::span<const Operation> batch = commit_->next();
  if (batch.empty()) return end_commit(now);
  auto refusals = kernel_.apply(batch);
  if (!refusals) {
    ++counters_.kernel_failures;
    troubles_.push_back("commit: " + refusals.error().text);
    refusals.emplace();
    for (const Operation& operation : batch) {
      refusals->push_back({.id = operation.id, .error = kResultUnknown});
    }
  }
  commit_->on_applied(*refusals);
  counters_.commit = commit_->counters();
}

void FlowTables::end_commit(Instant now) {
  const CommitCounters& done = counters_.commit = commit_->counters();
  counters_.commit_took = now - commit_began_;
  if (done.table_full != 0) {
    troubles_.push_back(fmt::format(
        "the conntrack table is full: {} of the flows held for the peer are not in it", done.table_full));
  }
  if (const std::uint64_t others = done.missing() - done.table_full; others != 0) {
    troubles_.push_back(
        fmt::format("commit: the kernel refused {} flows and {} expectations ({} because another flow has "
                    "their reply tuple)",
                    others - done.expectations_refused, done.expectations_refused, done.reply_clash));
  }
  commit_.reset();
  cache_.clear();
  touched_.clear();
  leftovers_ = false;
  place_ = Place::source;
  if (!received_) return;
  finished_ = std::exchange(received_, std::nullopt);
  finished_->complete = finished_->complete && done.missing() == 0;
}

// ---- the background

void FlowTables::step(Instant now, bool mirrors_source) {
  if (commit_) return step_commit(now);
  if (place_ != Place::replica || !leftovers_ || !taken_) return;
  if (!mirrors_source) return abandon_removal();
  if (now < remove_not_before_) return;
  if (removing_ && now < pace_.allowed_at()) return;
  step_removal(now);
}

std::optional<Instant> FlowTables::next_deadline(bool mirrors_source) const {
  if (commit_) return commit_began_;
  if (place_ != Place::replica || !leftovers_ || !taken_ || !mirrors_source) return std::nullopt;
  return removing_ ? std::max(pace_.allowed_at(), remove_not_before_) : remove_not_before_;
}

void FlowTables::step_removal(Instant now) {
  if (!removing_) {
    removing_ = true;
    removal_incomplete_ = false;
    pace_ = Pace(now, settings_.repair_entries_per_second);
    if (!kernel_.begin_dump()) return end_removal(now, false);
  }
  const auto piece = kernel_.next_dump_piece();
  if (!piece) return end_removal(now, false);
  std::vector<Operation> removals;
  for (const ConntrackEntry& entry : piece->entries) {
    if (filter_.covers(entry))
      removals.push_back({.id = removals.size(), .action = DeleteConntrack{entry.key}});
  }
  for (const Expectation& expectation : piece->expectations) {
    if (!filter_.covers(expectation)) continue;
    removals.push_back({.id = removals.size(), .action = DeleteExpectation{expectation.key}});
  }
  pace_.done(removals.size());
  if (!removals.empty()) {
    const auto answer = kernel_.apply(removals);
    if (!answer) return end_removal(now, false);
    counters_.removed += removals.size() - answer->size();
    for (const Refusal& refusal : *answer) removal_incomplete_ |= refusal.error != ENOENT;
  }
  if (piece->progress != DumpPiece::Progress::more) {
    end_removal(now, piece->progress == DumpPiece::Progress::finished && !removal_incomplete_);
  }
}

void FlowTables::end_removal(Instant now, bool complete) {
  removing_ = false;
  if (complete) {
    leftovers_ = false;
  } else {
    ++counters_.kernel_failures;
    remove_not_before_ = now + kRemoveAgain;
  }
}

// The kernel's dump is needed for something else, or the source is not heard: it begins anew later.
void FlowTables::abandon_removal() {
  removing_ = false;
}

std::vector<std::string> FlowTables::take_troubles() {
  return std::exchange(troubles_, {});
}

}  // namespace ftfw::sync
