#include "sync/injector.hpp"

#include <cerrno>
#include <utility>

#include "sync/hash.hpp"

namespace ftfw::sync {
namespace {

// The note of an index slot: fingerprints of the reply tuple and of the master, and whether the kernel's
// entry has one.
//   | reply tuple (20) | master (11), 0: which one is not known | has a master (1) |
constexpr std::uint32_t kHasMaster = 1;
constexpr std::uint32_t kMasterShift = 1;
constexpr std::uint32_t kMasterMask = 0x7ffU << kMasterShift;
constexpr std::uint32_t kReplyMask = ~(kMasterMask | kHasMaster);

std::uint32_t master_part(const ConntrackEntry& entry) {
  if (!entry.master) return 0;
  const std::uint64_t master = hash_of(EntryKey{.original = *entry.master, .zone = entry.key.zone});
  return static_cast<std::uint32_t>(1 + master % (kMasterMask >> kMasterShift)) << kMasterShift;
}

std::uint32_t note_of(const ConntrackEntry& entry, bool has_master) {
  const std::uint64_t reply = hash_of(EntryKey{.original = entry.reply, .zone = entry.key.zone});
  return (static_cast<std::uint32_t>(reply) & kReplyMask) |
         (has_master ? kHasMaster | master_part(entry) : 0U);
}

// Of one that the kernel cannot change: another translation, or another master than it was made with.
bool other_flow(std::uint32_t note, const ConntrackEntry& entry) {
  if ((note & kReplyMask) != (note_of(entry, false) & kReplyMask)) return true;
  const std::uint32_t known = note & kMasterMask;
  return entry.master && known != 0 && known != master_part(entry);
}

// Of an expectation: a fingerprint of its master.
std::uint32_t note_of(const Expectation& expectation) {
  return static_cast<std::uint32_t>(
      hash_of(EntryKey{.original = expectation.master, .zone = expectation.key.zone}));
}

// Of the entry that entry.master names.
std::uint64_t master_hash(const ConntrackEntry& entry) {
  return hash_of(EntryKey{.original = *entry.master, .zone = entry.key.zone});
}

std::uint64_t key_of(const Task& task) {
  if (const auto* upsert = std::get_if<Upsert>(&task)) return hash_of(upsert->entry.key);
  if (const auto* liberal = std::get_if<MakeLiberal>(&task)) return hash_of(liberal->entry.key);
  if (const auto* destroy = std::get_if<Destroy>(&task)) return hash_of(destroy->key);
  if (const auto* renew = std::get_if<Renew>(&task)) return hash_of(renew->key);
  if (const auto* timeout = std::get_if<SetTimeout>(&task)) return hash_of(timeout->key);
  if (const auto* put = std::get_if<PutExpectation>(&task)) return hash_of(put->expectation.key);
  if (const auto* drop = std::get_if<DropExpectation>(&task)) return hash_of(drop->key);
  return 0;
}

}  // namespace

Injector::Injector(std::uint32_t parked_s, bool in_cache, Counters& counters)
    : parked_s_(parked_s), in_cache_(in_cache), counters_(counters) {}

void Injector::clear() {
  queue_.clear();
  in_flight_.clear();  // the answer is still awaited; it concludes nothing
  entries_.clear();
  expectations_.clear();
  index_complete_ = true;
  fill_holes_only_ = false;
  settle_at_.reset();
}

void Injector::only_fill_holes() {
  fill_holes_only_ = true;
  std::deque<Task> kept;
  for (Task& task : queue_) {
    if (std::holds_alternative<Upsert>(task)) kept.push_back(std::move(task));
  }
  queue_ = std::move(kept);
}

std::optional<std::vector<Operation>> Injector::next(Instant now, std::vector<Mark>& reached) {
  if (awaiting_ || (settle_at_ && now < *settle_at_)) return std::nullopt;
  settle_at_.reset();
  Batch batch;
  first_id_ = next_id_;
  keys_in_batch_.clear();
  while (!queue_.empty() && batch.size() + 2 <= kMaxOperations) {  // a replacement is two
    Task& task = queue_.front();
    if (const auto* mark = std::get_if<Mark>(&task)) {
      if (!batch.empty()) break;
      if (mark->kind == Mark::Kind::begin || mark->kind == Mark::Kind::compare) ++generation_;
      reached.push_back(*mark);
    } else {
      const std::uint64_t hash = key_of(task);
      if (keys_in_batch_.contains(hash)) break;
      if (start(task, hash, batch)) keys_in_batch_.insert(hash);
    }
    queue_.pop_front();
  }
  if (batch.empty()) return std::nullopt;
  awaiting_ = true;
  batch_size_ = batch.size();
  return batch;
}

template <typename Action>
void Injector::add(Batch& batch, Action action, bool be_liberal) {
  batch.push_back({.id = next_id_++, .action = std::move(action), .be_liberal = be_liberal});
}

void Injector::follow(Task task, Kind kind, std::uint64_t hash, const Batch& batch) {
  in_flight_.push_back({.task = std::move(task), .kind = kind, .deciding = batch.size() - 1, .hash = hash});
}

// True: operations were added.
bool Injector::start(Task& task, std::uint64_t hash, Batch& batch) {
  const std::size_t before = batch.size();
  if (auto* upsert = std::get_if<Upsert>(&task)) {
    start_upsert(*upsert, hash, batch);
  } else if (const auto* liberal = std::get_if<MakeLiberal>(&task)) {
    if (confirmed(entries_, hash, liberal->generation)) return false;
    UpdateConntrack update = shape_liberal(liberal->entry, parked_s_);
    if (fill_holes_only_) update.entry.timeout_s.reset();  // live traffic sets it
    add(batch, std::move(update), true);
    follow({}, Kind::liberal, hash, batch);
  } else if (const auto* destroy = std::get_if<Destroy>(&task)) {
    if (destroy->swept && confirmed(entries_, hash, destroy->generation)) return false;
    entries_.erase(hash);
    add(batch, DeleteConntrack{destroy->key});
    follow(*destroy, Kind::destroy, hash, batch);
  } else if (const auto* renew = std::get_if<Renew>(&task)) {
    if (entries_.find(hash) == nullptr) return false;
    add(batch, shape_timeout(renew->key, renew->reply, parked_s_));
    follow({}, Kind::renew, hash, batch);
  } else if (const auto* timeout = std::get_if<SetTimeout>(&task)) {
    add(batch, shape_timeout(timeout->key, timeout->reply, timeout->timeout_s));
    follow({}, Kind::timeout, hash, batch);
  } else if (const auto* put = std::get_if<PutExpectation>(&task)) {
    if (put->replace) add(batch, DeleteExpectation{put->expectation.key});
    add(batch, CreateExpectation{put->expectation});
    follow(*put, Kind::expect, hash, batch);
  } else if (const auto* drop = std::get_if<DropExpectation>(&task)) {
    if (drop->swept && confirmed(expectations_, hash, drop->generation)) return false;
    expectations_.erase(hash);
    add(batch, DeleteExpectation{drop->key});
    follow(*drop, Kind::unexpect, hash, batch);
  }
  return batch.size() != before;
}

Upsert::Step Injector::decide(const Upsert& upsert, std::uint64_t hash) const {
  if (upsert.step != Upsert::Step::decide) return upsert.step;
  const HashIndex::Slot* known = entries_.find(hash);
  if (known == nullptr) return creatable(upsert.entry) ? Upsert::Step::create : Upsert::Step::update;
  if (!creatable(upsert.entry)) return Upsert::Step::update;
  if (other_flow(known->note, upsert.entry)) return Upsert::Step::replace;
  // It had to go in without its master, which is there now.
  if (lacks_master(upsert.entry, hash) && entries_.find(master_hash(upsert.entry)) != nullptr)
    return Upsert::Step::replace;
  return Upsert::Step::update;
}

bool Injector::lacks_master(const ConntrackEntry& entry, std::uint64_t hash) const {
  const HashIndex::Slot* known = entries_.find(hash);
  return entry.master && known != nullptr && (known->note & kHasMaster) == 0;
}

void Injector::start_upsert(Upsert& upsert, std::uint64_t hash, Batch& batch) {
  const HashIndex::Slot* known = entries_.find(hash);
  upsert.only_if_absent |= fill_holes_only_;
  if (upsert.only_if_absent && upsert.step == Upsert::Step::decide) {
    if (known != nullptr) return index(entries_, hash, known->note);
    if (!creatable(upsert.entry)) {
      if (fill_holes_only_) return;
      upsert.only_if_absent = false;
    }
  }
  const bool liberal = wants_liberal(upsert.entry.key);
  switch (decide(upsert, hash)) {
    case Upsert::Step::decide:
    case Upsert::Step::create:
      add(batch, shape_create(upsert.entry, parked_s_), liberal);
      return follow(std::move(upsert), Kind::create, hash, batch);
    case Upsert::Step::update: {
      const bool has_master = known != nullptr ? (known->note & kHasMaster) != 0
                                               : (upsert.entry.status.value_or(0) & status::kExpected) != 0;
      add(batch, shape_update(upsert.entry, parked_s_, has_master), liberal);
      return follow(std::move(upsert), Kind::update, hash, batch);
    }
    case Upsert::Step::replace:
      entries_.erase(hash);
      add(batch, DeleteConntrack{upsert.entry.key});
      add(batch, shape_create(upsert.entry, parked_s_), liberal);
      return follow(std::move(upsert), Kind::replace, hash, batch);
  }
}

void Injector::on_applied(Instant now, std::span<const Refusal> refusals) {
  if (!awaiting_) return;
  awaiting_ = false;
  std::vector<int> errors(batch_size_, 0);
  for (const Refusal& refusal : refusals) {
    if (refusal.id >= first_id_ && refusal.id - first_id_ < errors.size()) {
      errors[refusal.id - first_id_] = refusal.error;
    }
  }
  std::vector<Task> retries;
  retried_.clear();
  bool settled = false;
  for (InFlight& done : std::exchange(in_flight_, {})) {
    settled |= done.kind == Kind::timeout;
    conclude(done, errors[done.deciding], retries);
  }
  if (settled) settle_at_ = now + kBetweenSettlings;
  queue_.insert(queue_.begin(), std::make_move_iterator(retries.begin()),
                std::make_move_iterator(retries.end()));
}

void Injector::conclude(InFlight& done, int error, std::vector<Task>& retries) {
  const bool gone = error == ENOENT;
  switch (done.kind) {
    case Kind::create:
    case Kind::update:
    case Kind::replace:
      return conclude_upsert(done, error, retries);
    case Kind::destroy:
      if (error != 0 && !gone) ++counters_.other_refusals;
      if (error == 0) ++(std::get<Destroy>(done.task).swept ? counters_.swept : counters_.destroyed);
      return;
    case Kind::liberal:
      if (error == 0) ++counters_.made_liberal;
      if (error != 0 && !gone) ++counters_.other_refusals;
      return;
    case Kind::renew:
      if (error == 0) ++counters_.renewed;
      if (error != 0 && !gone) ++counters_.other_refusals;
      return;
    case Kind::timeout:
      if (error == 0) ++counters_.settled;
      if (error != 0 && !gone) ++counters_.other_refusals;
      return;
    case Kind::expect:
      return conclude_expectation(done, error, retries);
    case Kind::unexpect:
      if (error == 0 && std::get<DropExpectation>(done.task).swept) ++counters_.swept;
      if (error != 0 && !gone) ++counters_.expectation_refused;
      return;
  }
}

void Injector::conclude_expectation(InFlight& done, int error, std::vector<Task>& retries) {
  PutExpectation& put = std::get<PutExpectation>(done.task);
  const std::uint32_t note = note_of(put.expectation);
  const HashIndex::Slot* known = expectations_.find(done.hash);
  if (error == 0) {
    ++counters_.expectations_created;
    index(expectations_, done.hash, note);
  } else if (error != EEXIST) {
    ++counters_.expectation_refused;
  } else if (put.replace || fill_holes_only_ || (known != nullptr && known->note == note)) {
    index(expectations_, done.hash, note);
  } else {
    // An older one may stand there, whose master takes it away when it goes.
    put.replace = true;
    retries.push_back(std::move(done.task));
  }
}

void Injector::conclude_upsert(InFlight& done, int error, std::vector<Task>& retries) {
  Upsert& upsert = std::get<Upsert>(done.task);
  const bool master_is_retried = upsert.entry.master && retried_.contains(master_hash(upsert.entry));
  const FollowUp next = done.kind == Kind::update ? after_update(upsert, error)
                                                  : after_create(upsert, error, master_is_retried);
  counters_.without_master += next.dropped_master ? 1 : 0;
  counters_.without_helper += next.dropped_helper ? 1 : 0;
  switch (next.verdict) {
    case Verdict::done:
      return confirm(upsert, done.kind, done.hash);
    case Verdict::again:
      if (fill_holes_only_ && upsert.step != Upsert::Step::create) return;
      if (upsert.step == Upsert::Step::create) entries_.erase(done.hash);
      retried_.insert(done.hash);
      retries.push_back(std::move(done.task));
      return;
    case Verdict::labels_refused:
      ++counters_.labels_refused;
      return confirm(upsert, done.kind, done.hash);
    case Verdict::incomplete:
      ++counters_.incomplete;
      break;
    case Verdict::reply_clash:
      ++counters_.reply_clash;
      break;
    case Verdict::table_full:
      ++counters_.table_full;
      break;
    case Verdict::failed:
      ++counters_.other_refusals;
      // The entry is there, only not as it should be: a sweep must not take it.
      if (done.kind == Kind::update) return confirm(upsert, Kind::update, done.hash);
      break;
  }
  entries_.erase(done.hash);
}

void Injector::confirm(const Upsert& upsert, Kind kind, std::uint64_t hash) {
  const HashIndex::Slot* known = entries_.find(hash);
  bool has_master = upsert.entry.master.has_value();
  if (kind == Kind::update) {
    if (lacks_master(upsert.entry, hash)) ++counters_.without_master;  // and still does
    has_master = known != nullptr ? (known->note & kHasMaster) != 0
                                  : (upsert.entry.status.value_or(0) & status::kExpected) != 0;
  }
  // The reply tuple of an entry that was there already is the one it was learned with.
  const std::uint32_t note =
      kind == Kind::update && known != nullptr ? known->note : note_of(upsert.entry, has_master);
  index(entries_, hash, note);
  if (kind == Kind::create) ++counters_.created;
  if (kind == Kind::update) ++counters_.updated;
  if (kind == Kind::replace) ++counters_.replaced;
}

void Injector::index(HashIndex& index, std::uint64_t hash, std::uint32_t note) {
  if (index.put(hash, generation_, note)) return;
  ++counters_.index_overflows;
  index_complete_ = false;
}

void Injector::learn(const ConntrackEntry& entry) {
  const std::uint64_t hash = hash_of(entry.key);
  const bool has_master = (entry.status.value_or(0) & status::kExpected) != 0;
  if (const HashIndex::Slot* known = entries_.find(hash)) {
    if (!other_flow(known->note, entry)) return;
    // It was updated before it was known that it is an older flow of this tuple; the next compare replaces
    // it.
    ++counters_.mistaken;
    entries_.put(hash, known->generation, note_of(entry, has_master));
    return;
  }
  // Older than any full send to come, and not newer than one under way.
  if (!entries_.put(hash, generation_ - 1, note_of(entry, has_master))) {
    ++counters_.index_overflows;
    index_complete_ = false;
  }
  if (wants_liberal(entry.key) && !in_cache_) push(MakeLiberal{.entry = entry, .generation = generation_});
}

bool Injector::confirmed(const HashIndex& index, std::uint64_t hash, std::uint32_t generation) const {
  const HashIndex::Slot* known = index.find(hash);
  return known != nullptr && !HashIndex::older(known->generation, generation);
}

bool Injector::confirmed(const EntryKey& key, std::uint32_t generation) const {
  return confirmed(entries_, hash_of(key), generation);
}

bool Injector::confirmed(const ExpectationKey& key, std::uint32_t generation) const {
  return confirmed(expectations_, hash_of(key), generation);
}

void Injector::seen(const ConntrackEntry& entry, bool named) {
  const std::uint64_t hash = hash_of(entry.key);
  const HashIndex::Slot* known = entries_.find(hash);
  if (!named) {
    index(entries_, hash, note_of(entry, (entry.status.value_or(0) & status::kExpected) != 0));
  } else if (known != nullptr) {
    index(entries_, hash, known->note);
  }
  if (half_run_out(entry, hash)) push(Renew{.key = entry.key, .reply = entry.reply});
}

void Injector::seen(const Expectation& expectation, bool named) {
  const std::uint64_t hash = hash_of(expectation.key);
  const HashIndex::Slot* known = expectations_.find(hash);
  if (!named) {
    index(expectations_, hash, note_of(expectation));
  } else if (known != nullptr) {
    index(expectations_, hash, known->note);
  }
}

// Between a half and three quarters of it left, by the hash, so that entries that came together do not come
// together again. A former primary's own timeouts are shorter and parked at the first compare.
bool Injector::half_run_out(const ConntrackEntry& entry, std::uint64_t hash) const {
  if (!entry.timeout_s || (entry.status.value_or(0) & status::kFixedTimeout) != 0) return false;
  const std::uint64_t spread = hash % (parked_s_ / 4 + 1);
  return *entry.timeout_s < parked_s_ / 2 + spread;
}

void Injector::forget_older_than(std::uint32_t generation, const RangeSet* only) {
  entries_.erase_older_than(generation,
                            [only](std::uint64_t hash) { return only == nullptr || only->contains(hash); });
  expectations_.erase_older_than(generation, [only](std::uint64_t hash) {
    return only == nullptr || only->contains(hash ^ kExpectationSalt);
  });
}

}  // namespace ftfw::sync
