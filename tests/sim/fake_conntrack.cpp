#include "tests/sim/fake_conntrack.hpp"

#include <cerrno>
#include <utility>

namespace ftfw::sim {

using namespace sync;

namespace {

constexpr std::uint32_t kUnchangeable =
    status::kSourceNat | status::kDestinationNat | status::kSequenceAdjust | status::kSourceNatDone |
    status::kDestinationNatDone | status::kOffload | status::kHardwareOffload;

std::pair<std::uint64_t, EntryKey> place(const EntryKey& key) {
  return {hash_of(key), key};
}

}  // namespace

const FakeConntrack::Stored* FakeConntrack::find(const EntryKey& key) const {
  const auto found = entries_.find(place(key));
  return found == entries_.end() ? nullptr : &found->second;
}

FakeConntrack::Stored* FakeConntrack::lookup(const EntryKey& key) {
  const auto found = entries_.find(place(key));
  return found == entries_.end() ? nullptr : &found->second;
}

void FakeConntrack::emit(Event event) const {
  if (on_event) on_event(std::move(event));
}

bool FakeConntrack::insert(Stored stored) {
  const EntryKey key = stored.entry.key;
  const EntryKey reply{.original = stored.entry.reply, .zone = key.zone};
  if (tuples_.contains(key) || tuples_.contains(reply)) return false;
  tuples_[key] = key;
  tuples_[reply] = key;
  entries_[place(key)] = std::move(stored);
  return true;
}

bool FakeConntrack::remove(const EntryKey& key) {
  const auto found = entries_.find(place(key));
  if (found == entries_.end()) return false;
  tuples_.erase(key);
  tuples_.erase(EntryKey{.original = found->second.entry.reply, .zone = key.zone});
  entries_.erase(found);
  // nf_ct_remove_expectations: what the master expected goes with it.
  for (auto at = expectations_.begin(); at != expectations_.end();) {
    if (at->second.master != key.original) {
      ++at;
      continue;
    }
    emit(ExpectationEvent{.change = Change::destroyed, .expectation = at->second});
    at = expectations_.erase(at);
  }
  return true;
}

int FakeConntrack::create(const ConntrackEntry& entry, bool be_liberal) {
  if (!entry.timeout_s) return EINVAL;
  if (!entry.helper.empty() && !helpers.contains(entry.helper)) return EOPNOTSUPP;
  const std::uint32_t given = entry.status.value_or(0);
  if ((given & status::kConfirmed) == 0 || (given & status::kExpected) != 0) return EBUSY;
  Stored stored{.entry = entry, .liberal = be_liberal};
  std::uint32_t bits = given & ~kUnchangeable;
  if (entry.source_translated()) bits |= status::kSourceNat | status::kSourceNatDone;
  if (entry.destination_translated()) bits |= status::kDestinationNat | status::kDestinationNatDone;
  if (entry.master) {
    if (find(EntryKey{.original = *entry.master, .zone = entry.key.zone}) == nullptr) return ENOENT;
    bits |= status::kExpected;
  }
  stored.entry.status = bits;
  if (entries_.size() >= max_entries) return ENOMEM;
  return insert(std::move(stored)) ? 0 : EEXIST;
}

int FakeConntrack::update(const ConntrackEntry& entry, bool be_liberal) {
  Stored* stored = lookup(entry.key);
  if (stored == nullptr) return ENOENT;
  if (entry.master) return EOPNOTSUPP;
  ConntrackEntry& known = stored->entry;
  if (!entry.helper.empty() && entry.helper != known.helper) {
    return known.helper.empty() && !known.master ? EOPNOTSUPP : EBUSY;
  }
  if (entry.timeout_s) {
    if ((*known.status & status::kFixedTimeout) != 0) return EPERM;
    known.timeout_s = entry.timeout_s;
  }
  if (entry.status) {
    const std::uint32_t changed = *known.status ^ *entry.status;
    constexpr std::uint32_t kFixed = status::kExpected | status::kConfirmed | status::kDying;
    constexpr std::uint32_t kOnlySet = status::kSeenReply | status::kAssured;
    if ((changed & kFixed) != 0 || (changed & kOnlySet & ~*entry.status) != 0) return EBUSY;
    known.status = *known.status | (*entry.status & ~kUnchangeable);
  }
  if (entry.tcp && (entry.tcp->state != TcpState::none || !known.tcp)) known.tcp = entry.tcp;
  if (entry.sctp) known.sctp = entry.sctp;
  if (entry.dccp) known.dccp = entry.dccp;
  if (entry.mark) known.mark = entry.mark;
  if (!entry.labels.empty()) known.labels = entry.labels;
  stored->liberal |= be_liberal;
  return 0;
}

int FakeConntrack::expect(const Expectation& expectation) {
  const Stored* master = find(EntryKey{.original = expectation.master, .zone = expectation.key.zone});
  if (master == nullptr) return ENOENT;
  if (master->entry.helper.empty()) return EOPNOTSUPP;
  return expectations_.emplace(expectation.key, expectation).second ? 0 : EEXIST;
}

int FakeConntrack::apply(const Operation& operation) {
  const auto& action = operation.action;
  if (const auto* op = std::get_if<CreateConntrack>(&action)) return create(op->entry, operation.be_liberal);
  if (const auto* op = std::get_if<UpdateConntrack>(&action)) return update(op->entry, operation.be_liberal);
  if (const auto* op = std::get_if<DeleteConntrack>(&action)) return remove(op->key) ? 0 : ENOENT;
  if (const auto* op = std::get_if<CreateExpectation>(&action)) return expect(op->expectation);
  return expectations_.erase(std::get<DeleteExpectation>(action).key) != 0 ? 0 : ENOENT;
}

std::vector<Refusal> FakeConntrack::apply(std::span<const Operation> operations) {
  std::vector<Refusal> refusals;
  for (const Operation& operation : operations) {
    if (const int error = apply(operation); error != 0)
      refusals.push_back({.id = operation.id, .error = error});
  }
  return refusals;
}

FakeConntrack::Piece FakeConntrack::dump(Cursor& cursor, std::size_t most) const {
  Piece piece;
  if (!cursor.entries_done_) {
    auto at = cursor.after_ ? entries_.upper_bound(*cursor.after_) : entries_.begin();
    for (; at != entries_.end() && piece.entries.size() < most; ++at) {
      piece.entries.push_back(at->second.entry);
      cursor.after_ = at->first;
    }
    cursor.entries_done_ = at == entries_.end();
    return piece;
  }
  for (const auto& [key, expectation] : expectations_) piece.expectations.push_back(expectation);
  piece.last = true;
  return piece;
}

Status FakeKernelTable::begin_dump() {
  cursor_ = {};
  return {};
}

Result<DumpPiece> FakeKernelTable::next_dump_piece() {
  FakeConntrack::Piece piece = conntrack_.dump(cursor_, entries_in_piece);
  return DumpPiece{.progress = piece.last ? DumpPiece::Progress::finished : DumpPiece::Progress::more,
                   .entries = std::move(piece.entries),
                   .expectations = std::move(piece.expectations)};
}

bool FakeConntrack::traffic_creates(ConntrackEntry entry) {
  std::uint32_t bits = entry.status.value_or(0) | status::kConfirmed;
  if (entry.source_translated()) bits |= status::kSourceNat | status::kSourceNatDone;
  if (entry.destination_translated()) bits |= status::kDestinationNat | status::kDestinationNatDone;
  if (entry.master) bits |= status::kExpected;
  entry.status = bits;
  if (!insert({.entry = entry})) return false;
  emit(ConntrackEvent{.change = Change::created, .entry = std::move(entry)});
  return true;
}

bool FakeConntrack::traffic_updates(const EntryKey& key, const std::function<void(ConntrackEntry&)>& change) {
  Stored* stored = lookup(key);
  if (stored == nullptr) return false;
  const ConntrackEntry before = stored->entry;
  change(stored->entry);
  const ConntrackEntry& after = stored->entry;
  // ctnetlink_conntrack_event: tuples and status always, a mark that is not 0, otherwise only what changed.
  ConntrackEntry event{
      .key = key, .reply = after.reply, .status = after.status, .timeout_s = after.timeout_s};
  if (after.tcp != before.tcp) event.tcp = after.tcp;
  if (after.mark.value_or(0) != 0) event.mark = after.mark;
  if (after.labels != before.labels) event.labels = after.labels;
  event.helper = after.helper;
  emit(ConntrackEvent{.change = Change::updated, .entry = std::move(event)});
  return true;
}

bool FakeConntrack::destroy(const EntryKey& key) {
  const Stored* stored = find(key);
  if (stored == nullptr) return false;
  const ConntrackEntry event{.key = key, .reply = stored->entry.reply, .status = stored->entry.status};
  remove(key);
  emit(ConntrackEvent{.change = Change::destroyed, .entry = event});
  return true;
}

bool FakeConntrack::traffic_expects(const Expectation& expectation) {
  if (expect(expectation) != 0) return false;
  emit(ExpectationEvent{.change = Change::created, .expectation = expectation});
  return true;
}

bool FakeConntrack::destroy(const ExpectationKey& key) {
  const auto found = expectations_.find(key);
  if (found == expectations_.end()) return false;
  const Expectation gone = found->second;
  expectations_.erase(found);
  emit(ExpectationEvent{.change = Change::destroyed, .expectation = gone});
  return true;
}

}  // namespace ftfw::sim
