#include "sync/flow_cache.hpp"

#include <algorithm>
#include <cerrno>

#include "sync/operations.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {
namespace {

constexpr std::size_t kFirstSlots = 64;
// A node of a map and one of a set, the names in the short form of std::string.
constexpr std::size_t kExpectationBytes = sizeof(Expectation) + 2 * sizeof(ExpectationKey) + 2 * 64 + 64;

std::uint32_t tag_of(const EntryKey& key) {
  const std::uint64_t hash = hash_of(key);
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

EntryKey master_of(const Expectation& expectation) {
  return {.original = expectation.master, .zone = expectation.key.zone};
}

// What ctnetlink_change_conntrack does with the fields that an update carries.
void change(ConntrackEntry& known, const ConntrackEntry& update) {
  if (update.status) known.status = known.status.value_or(0) | (*update.status & status::kCarried);
  if (update.tcp && (update.tcp->state != TcpState::none || !known.tcp)) known.tcp = update.tcp;
  if (update.sctp) known.sctp = update.sctp;
  if (update.dccp) known.dccp = update.dccp;
  if (update.mark) known.mark = update.mark;
  if (update.sequence_adjustment) known.sequence_adjustment = update.sequence_adjustment;
  if (update.synproxy) known.synproxy = update.synproxy;
  if (!update.labels.empty()) known.labels = update.labels;
  if (!update.helper.empty()) known.helper = update.helper;
}

}  // namespace

FlowCache::FlowCache(std::size_t max_entries) : max_entries_(std::min(max_entries, kMaxEntries)) {}

int FlowCache::apply(const Operation& operation) {
  const auto& action = operation.action;
  if (const auto* create_it = std::get_if<CreateConntrack>(&action)) return create(create_it->entry);
  if (const auto* update_it = std::get_if<UpdateConntrack>(&action)) return update(update_it->entry);
  if (const auto* delete_it = std::get_if<DeleteConntrack>(&action)) return remove(delete_it->key);
  if (const auto* expect_it = std::get_if<CreateExpectation>(&action)) return expect(expect_it->expectation);
  return unexpect(std::get<DeleteExpectation>(action).key);
}

std::vector<Refusal> FlowCache::apply(std::span<const Operation> operations) {
  give_back_waste();
  std::vector<Refusal> refusals;
  for (const Operation& operation : operations) {
    if (const int error = apply(operation); error != 0) {
      refusals.push_back({.id = operation.id, .error = error});
    }
  }
  return refusals;
}

void FlowCache::clear() {
  arena_ = RecordArena{};
  slots_ = {};
  size_ = 0;
  ++arrangement_;
  expectations_.clear();
  by_master_.clear();
}

std::size_t FlowCache::bytes() const {
  return arena_.used() + arena_.waste() + slots_.capacity() * sizeof(Slot) +
         expectations_.size() * kExpectationBytes;
}

// ---- the index

std::size_t FlowCache::find(const EntryKey& key) const {
  if (slots_.empty()) return kNowhere;
  const std::uint32_t tag = tag_of(key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = tag & mask; slots_[at].ref != RecordArena::kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == tag && decode(slots_[at].ref).key == key) return at;
  }
  return kNowhere;
}

std::size_t FlowCache::free_slot(std::uint32_t tag) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = tag & mask;
  while (slots_[at].ref != RecordArena::kNone) at = (at + 1) & mask;
  return at;
}

void FlowCache::grow() {
  const std::vector<Slot> before =
      std::exchange(slots_, std::vector<Slot>(std::max(kFirstSlots, slots_.size() * 2)));
  for (const Slot& slot : before) {
    if (slot.ref != RecordArena::kNone) slots_[free_slot(slot.tag)] = slot;
  }
}

// Whatever probed past the hole moves into it, so that no search stops early.
void FlowCache::erase_slot(std::size_t hole) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hole + 1) & mask; slots_[at].ref != RecordArena::kNone; at = (at + 1) & mask) {
    const std::size_t distance_home = (at - slots_[at].tag) & mask;
    const std::size_t distance_hole = (at - hole) & mask;
    if (distance_home < distance_hole) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

void FlowCache::give_back_waste() {
  if (arena_.waste() <= std::max(arena_.used(), kToleratedWaste)) return;
  RecordArena fresh;
  std::size_t slots = kFirstSlots;
  while (size_ * 4 > slots * 3) slots *= 2;
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots));
  for (const Slot& slot : before) {
    if (slot.ref == RecordArena::kNone) continue;
    slots_[free_slot(slot.tag)] = {.tag = slot.tag, .ref = fresh.add(arena_.payload(slot.ref))};
  }
  arena_ = std::move(fresh);
  ++arrangement_;
}

// ---- records

ByteSpan FlowCache::encode(const ConntrackEntry& entry) {
  ConntrackEntry stored = entry;
  stored.timeout_s.reset();
  if (stored.mark == 0U) stored.mark.reset();
  if (stored.status) *stored.status &= status::kCarried;
  if (stored.master) stored.status = stored.status.value_or(0) | status::kExpected;
  if (stored.tcp) {
    stored.tcp->flags_original &= kCarriedTcpFlags;
    stored.tcp->flags_reply &= kCarriedTcpFlags;
  }
  encoded_.clear();
  ByteWriter writer(encoded_);
  wire::encode_entry(stored, writer);
  return encoded_;
}

ConntrackEntry FlowCache::decode(Ref ref) const {
  ConntrackEntry entry;
  ByteReader reader(arena_.payload(ref));
  wire::decode_entry(reader, entry);  // of our own encoding
  return entry;
}

bool FlowCache::insert(const ConntrackEntry& entry) {
  if (size_ >= max_entries_) {
    ++refused_full_;
    return false;
  }
  const Ref ref = arena_.add(encode(entry));
  if (ref == RecordArena::kNone) {
    ++refused_full_;
    return false;
  }
  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  const std::uint32_t tag = tag_of(entry.key);
  slots_[free_slot(tag)] = {.tag = tag, .ref = ref};
  ++size_;
  return true;
}

bool FlowCache::store(std::size_t slot, const ConntrackEntry& entry) {
  const Ref ref = arena_.replace(slots_[slot].ref, encode(entry));
  if (ref == RecordArena::kNone) return false;
  slots_[slot].ref = ref;
  return true;
}

std::optional<ConntrackEntry> FlowCache::entry(const EntryKey& key) const {
  const std::size_t slot = find(key);
  return slot == kNowhere ? std::nullopt : std::optional(decode(slots_[slot].ref));
}

FlowCache::Ref FlowCache::ref_of(const EntryKey& key) const {
  const std::size_t slot = find(key);
  return slot == kNowhere ? RecordArena::kNone : slots_[slot].ref;
}

// ---- operations

bool FlowCache::put(const ConntrackEntry& entry) {
  const std::size_t slot = find(entry.key);
  return slot == kNowhere ? insert(entry) : store(slot, entry);
}

bool FlowCache::put(const Expectation& expectation) {
  unexpect(expectation.key);
  return expect(expectation) == 0;
}

int FlowCache::create(const ConntrackEntry& entry) {
  if (find(entry.key) != kNowhere) return EEXIST;
  return insert(entry) ? 0 : ENOMEM;
}

int FlowCache::update(const ConntrackEntry& entry) {
  const std::size_t slot = find(entry.key);
  if (slot == kNowhere) return ENOENT;
  ConntrackEntry known = decode(slots_[slot].ref);
  constexpr std::uint32_t kOnlySet = status::kSeenReply | status::kAssured;
  if (entry.status && (known.status.value_or(0) & ~*entry.status & kOnlySet) != 0) return EBUSY;
  change(known, entry);
  return store(slot, known) ? 0 : ENOMEM;
}

int FlowCache::remove(const EntryKey& key) {
  const std::size_t slot = find(key);
  if (slot == kNowhere) return ENOENT;
  arena_.remove(slots_[slot].ref);
  erase_slot(slot);
  --size_;
  for (auto at = by_master_.lower_bound({key, ExpectationKey{}});
       at != by_master_.end() && at->first == key;) {
    expectations_.erase(at->second);
    at = by_master_.erase(at);
  }
  return 0;
}

int FlowCache::expect(const Expectation& expectation) {
  const EntryKey master = master_of(expectation);
  if (find(master) == kNowhere) return ENOENT;
  if (expectations_.contains(expectation.key)) return EEXIST;
  if (expectations_.size() >= kMaxExpectations) {
    ++refused_full_;
    return EMFILE;
  }
  expectations_.emplace(expectation.key, expectation);
  by_master_.emplace(master, expectation.key);
  return 0;
}

int FlowCache::unexpect(const ExpectationKey& key) {
  const auto found = expectations_.find(key);
  if (found == expectations_.end()) return ENOENT;
  by_master_.erase({master_of(found->second), key});
  expectations_.erase(found);
  return 0;
}

// ---- reading

FlowCache::Cursor FlowCache::begin() const {
  Cursor cursor;
  cursor.arrangement_ = arrangement_;
  return cursor;
}

DumpPiece FlowCache::read(Cursor& cursor, std::size_t most) const {
  DumpPiece piece;
  if (cursor.arrangement_ != arrangement_) {
    piece.progress = DumpPiece::Progress::interrupted;
    return piece;
  }
  if (!cursor.entries_done_) {
    while (piece.entries.size() < most) {
      const Ref ref = arena_.after(cursor.after_);
      if (ref == RecordArena::kNone) {
        cursor.entries_done_ = true;
        break;
      }
      piece.entries.push_back(decode(ref));
      cursor.after_ = ref;
    }
    return piece;
  }
  return read_expectations(cursor, most);
}

DumpPiece FlowCache::read_expectations(Cursor& cursor, std::size_t most) const {
  DumpPiece piece;
  auto at = cursor.after_expectation_ ? expectations_.upper_bound(*cursor.after_expectation_)
                                      : expectations_.begin();
  for (; at != expectations_.end() && piece.expectations.size() < most; ++at) {
    piece.expectations.push_back(at->second);
    cursor.after_expectation_ = at->first;
  }
  if (at == expectations_.end()) piece.progress = DumpPiece::Progress::finished;
  return piece;
}

}  // namespace ftfw::sync
