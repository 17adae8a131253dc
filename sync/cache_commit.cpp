#include "sync/cache_commit.hpp"

#include <cerrno>
#include <utility>

#include "sync/operations.hpp"

namespace ftfw::sync {
namespace {

bool assured(const ConntrackEntry& entry) {
  return (entry.status.value_or(0) & status::kAssured) != 0;
}

}  // namespace

CacheCommit::CacheCommit(FlowCache& cache, const NormalTimeouts& timeouts, bool leftovers)
    : cache_(cache), timeouts_(timeouts), leftovers_(leftovers), expected_(cache.begin()) {}

std::span<const Operation> CacheCommit::next() {
  operations_.clear();
  in_flight_.clear();
  while (!retries_.empty() && !full()) {
    const Item item = retries_.front();
    retries_.pop_front();
    add(item, cache_.decode(item.ref));
  }
  fill();
  return operations_;
}

// A phase that has nothing more to give hands over to the next one.
void CacheCommit::fill() {
  for (Phase before = Phase::finished; phase_ != before && !full();) {
    before = phase_;
    switch (phase_) {
      case Phase::assured:
        walk();
        break;
      case Phase::related_assured:
        add_related(false);
        break;
      case Phase::others:
        add_others();
        break;
      case Phase::related_others:
        add_related(true);
        break;
      case Phase::forced:
        add_forced();
        break;
      case Phase::expectations:
        add_expectations();
        break;
      case Phase::finished:
        break;
    }
  }
}

void CacheCommit::walk() {
  while (!full()) {
    const Ref ref = cache_.after(walked_);
    if (ref == RecordArena::kNone) {
      phase_ = Phase::related_assured;
      return;
    }
    walked_ = ref;
    cache_.set_done(ref, false);  // a commit that was cancelled may have been here
    ConntrackEntry entry = cache_.decode(ref);
    if (entry.master) {
      related_.push_back({.ref = ref, .assured = assured(entry)});
    } else if (assured(entry)) {
      add({.ref = ref}, std::move(entry));
    } else {
      others_.push_back(ref);
    }
  }
}

void CacheCommit::add_others() {
  for (; next_ < others_.size() && !full(); ++next_)
    add({.ref = others_[next_]}, cache_.decode(others_[next_]));
  if (next_ < others_.size()) return;
  others_ = {};
  next_ = 0;
  phase_ = Phase::related_others;
}

bool CacheCommit::master_settled(const ConntrackEntry& entry) const {
  const Ref master = cache_.ref_of({.original = *entry.master, .zone = entry.key.zone});
  return master == RecordArena::kNone || cache_.done(master);
}

// One level: those whose master is settled. What a batch holds is settled when it was applied, so a level
// that added something, or stands behind something, is looked at again in the next batch.
void CacheCommit::add_related(bool all) {
  for (; next_ < related_.size() && !full(); ++next_) {
    const Related related = related_[next_];
    if (all || related.assured) {
      ConntrackEntry entry = cache_.decode(related.ref);
      if (master_settled(entry)) {
        add({.ref = related.ref}, std::move(entry));
        level_added_ = true;
        continue;
      }
    }
    related_[kept_++] = related;
  }
  if (next_ < related_.size()) return;
  related_.resize(kept_);
  next_ = 0;
  kept_ = 0;
  const bool again = (std::exchange(level_added_, false) || !operations_.empty()) && !related_.empty();
  if (again && ++levels_ < kMaxLevels) return;
  levels_ = 0;
  phase_ = all ? Phase::forced : Phase::others;
}

void CacheCommit::add_forced() {
  for (; next_ < related_.size() && !full(); ++next_) {
    add({.ref = related_[next_].ref}, cache_.decode(related_[next_].ref));
  }
  if (next_ < related_.size()) return;
  related_ = {};
  phase_ = Phase::expectations;
}

void CacheCommit::add_expectations() {
  // Their masters have to be settled.
  if (!operations_.empty() && !in_flight_.back().expectation) return;
  while (!full()) {
    DumpPiece piece = cache_.read_expectations(expected_, kMaxOperations - operations_.size());
    for (Expectation& expectation : piece.expectations) {
      operations_.push_back({.id = operations_.size(), .action = CreateExpectation{std::move(expectation)}});
      in_flight_.push_back({.expectation = true});
    }
    if (piece.progress == DumpPiece::Progress::more) continue;
    phase_ = Phase::finished;
    return;
  }
}

void CacheCommit::add(const Item& item, ConntrackEntry&& entry) {
  const std::uint64_t id = in_flight_.size();
  in_flight_.push_back(item);
  const bool liberal = wants_liberal(entry.key);
  if (item.probe) {
    UpdateConntrack probe;
    if (leftovers_) probe = shape_liberal(entry, 0);
    probe.entry.key = entry.key;
    probe.entry.reply = entry.reply;
    probe.entry.timeout_s.reset();  // its own is as old as its last packet
    operations_.push_back({.id = id, .action = std::move(probe), .be_liberal = liberal && leftovers_});
    return;
  }
  Operation& operation = operations_.emplace_back(
      Operation{.id = id, .action = CreateConntrack{std::move(entry)}, .be_liberal = liberal});
  ConntrackEntry& create = std::get<CreateConntrack>(operation.action).entry;
  shape_for_create(create, timeouts_.for_entry(create));
  if (item.without_master) create.master.reset();
  if (item.without_helper) create.helper.clear();
}

void CacheCommit::on_applied(std::span<const Refusal> refusals) {
  errors_.assign(in_flight_.size(), 0);
  for (const Refusal& refusal : refusals) {
    if (refusal.id < errors_.size()) errors_[refusal.id] = refusal.error;
  }
  for (std::size_t i = 0; i < in_flight_.size(); ++i) conclude(in_flight_[i], errors_[i]);
}

void CacheCommit::conclude(Item item, int error) {
  if (item.expectation) {
    ++(error == 0 || error == EEXIST ? counters_.expectations : counters_.expectations_refused);
  } else if (error == kResultUnknown && !item.repeated) {
    item.repeated = true;
    again(item);
  } else if (item.probe) {
    conclude_probe(item, error);
  } else {
    conclude_create(item, error);
  }
}

void CacheCommit::conclude_create(Item item, int error) {
  switch (error) {
    case 0:
      ++counters_.created;
      break;
    case EEXIST:
      item.probe = true;
      return again(item);
    case ENOENT:
      if (item.without_master) {
        ++counters_.refused;
        break;
      }
      ++counters_.without_master;
      item.without_master = true;
      return again(item);
    case EOPNOTSUPP:
      if (item.without_helper) {
        ++counters_.refused;
        break;
      }
      ++counters_.without_helper;
      item.without_helper = true;
      return again(item);
    case ENOMEM:
    case ENOSPC:
      ++counters_.table_full;
      break;
    default:
      ++counters_.refused;
      break;
  }
  cache_.set_done(item.ref, true);
}

void CacheCommit::conclude_probe(Item item, int error) {
  ++(error == ENOENT ? counters_.reply_clash : counters_.present);
  cache_.set_done(item.ref, true);
}

}  // namespace ftfw::sync
