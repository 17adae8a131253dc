#include "sync/full_send.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "sync/hash.hpp"
#include "sync/outbox.hpp"

namespace ftfw::sync {
namespace {

constexpr std::uint32_t kWhole = 1;
constexpr std::uint32_t kPart = 2;
// Keeps an expectation's hash apart from that of a conntrack with the same tuple.
constexpr std::uint64_t kExpectationSalt = 0x9e3779b97f4a7c15;
constexpr int kMaxLevels = 8;  // a chain of masters that is longer is a circle

}  // namespace

void FullSend::begin(Instant now, std::uint64_t send, std::uint32_t entries_per_second) {
  abandon();
  phase_ = Phase::dumping;
  begin_due_ = true;
  send_ = send;
  entries_per_second_ = entries_per_second;
  started_ = now;
  sent_ = 0;
}

void FullSend::abandon() {
  phase_ = Phase::idle;
  begin_due_ = false;
  touched_.clear();
  parts_.clear();
  lane_.clear();
  related_.clear();
  expectations_.clear();
}

bool FullSend::touch_whole(std::uint64_t hash) {
  return touched_.put(hash, 0, kWhole);
}

bool FullSend::touch(const ExpectationEvent& event) {
  return !running() || touch_whole(hash_of(event.expectation.key) ^ kExpectationSalt);
}

bool FullSend::touch(const ConntrackEvent& event) {
  if (!running()) return true;
  const EntryKey& key = event.entry.key;
  const std::uint64_t hash = hash_of(key);
  if (event.change != Change::updated) {
    parts_.erase(key);
    return touch_whole(hash);
  }
  const HashIndex::Slot* known = touched_.find(hash);
  if (known != nullptr && known->note == kWhole) return true;
  const auto part = parts_.find(key);
  if (part != parts_.end()) {
    part->second = merge_event(part->second, event.entry);
  } else if (known == nullptr && parts_.size() < kMaxParts) {
    parts_.emplace(key, event.entry);
  } else {
    ++part_overflows_;
  }
  return touched_.put(hash, 0, kPart);
}

void FullSend::add(const ConntrackEntry& entry) {
  if (phase_ != Phase::dumping) return;
  if (!entry.master) {
    lane_.emplace_back(entry);
  } else if (related_.size() < kMaxHeld) {
    related_.push_back(entry);
  } else {
    ++held_overflows_;
    lane_.emplace_back(entry);
  }
}

void FullSend::add(const Expectation& expectation) {
  if (phase_ != Phase::dumping) return;
  if (expectations_.size() < kMaxHeld) {
    expectations_.push_back(expectation);
  } else {
    ++held_overflows_;
    lane_.emplace_back(expectation);
  }
}

void FullSend::end_dump() {
  if (phase_ != Phase::dumping) return;
  order_by_master(related_);
  for (ConntrackEntry& entry : related_) lane_.emplace_back(std::move(entry));
  for (Expectation& expectation : expectations_) lane_.emplace_back(std::move(expectation));
  related_.clear();
  expectations_.clear();
  phase_ = Phase::draining;
}

std::optional<wire::Message> FullSend::take_begin() {
  if (!std::exchange(begin_due_, false)) return std::nullopt;
  return wire::Begin{send_};
}

std::optional<wire::Message> FullSend::next(Instant now) {
  while (!lane_.empty() && now >= allowed_at()) {
    Item item = std::move(lane_.front());
    lane_.pop_front();
    std::optional<wire::Message> message;
    if (auto* entry = std::get_if<ConntrackEntry>(&item)) {
      message = entry_message(std::move(*entry));
    } else {
      Expectation& expectation = std::get<Expectation>(item);
      const bool touched = touched_.find(hash_of(expectation.key) ^ kExpectationSalt) != nullptr;
      if (!touched) message = wire::Expected{std::move(expectation)};
    }
    if (!message) continue;
    ++sent_;
    return message;
  }
  return std::nullopt;
}

std::optional<wire::Message> FullSend::entry_message(ConntrackEntry entry) const {
  const HashIndex::Slot* touched = touched_.find(hash_of(entry.key));
  if (touched == nullptr) return wire::Entry{.entry = std::move(entry)};
  if (touched->note == kWhole) return std::nullopt;
  const auto part = parts_.find(entry.key);
  if (part == parts_.end()) return wire::Entry{.entry = std::move(entry), .only_if_absent = true};
  return wire::Entry{.entry = merge_event(entry, part->second)};
}

wire::End FullSend::finish() {
  const wire::End end{send_};
  abandon();
  return end;
}

Instant FullSend::allowed_at() const {
  if (entries_per_second_ == 0 || sent_ < kBurst) return started_;
  return started_ + Duration(1s) * static_cast<std::int64_t>(sent_ - kBurst) / entries_per_second_;
}

std::optional<Instant> FullSend::pace_deadline() const {
  if (lane_.empty()) return std::nullopt;
  return allowed_at();
}

void order_by_master(std::vector<ConntrackEntry>& related) {
  std::unordered_map<EntryKey, std::size_t> position;
  for (std::size_t i = 0; i < related.size(); ++i) position.emplace(related[i].key, i);
  const auto level = [&](const ConntrackEntry& entry) {
    int depth = 0;
    const ConntrackEntry* at = &entry;
    while (at->master && depth < kMaxLevels) {
      const auto found = position.find(EntryKey{.original = *at->master, .zone = at->key.zone});
      if (found == position.end()) break;
      at = &related[found->second];
      ++depth;
    }
    return depth;
  };
  std::vector<std::pair<int, std::size_t>> order;
  for (std::size_t i = 0; i < related.size(); ++i) order.emplace_back(level(related[i]), i);
  std::sort(order.begin(), order.end());
  std::vector<ConntrackEntry> sorted;
  sorted.reserve(related.size());
  for (const auto& [depth, i] : order) sorted.push_back(std::move(related[i]));
  related = std::move(sorted);
}

}  // namespace ftfw::sync
