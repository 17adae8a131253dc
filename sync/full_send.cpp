#include "sync/full_send.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "sync/outbox.hpp"

namespace ftfw::sync {
namespace {

constexpr std::uint32_t kWhole = 1;
constexpr std::uint32_t kPart = 2;
constexpr int kMaxLevels = 8;  // a chain of masters that is longer is a circle

}  // namespace

void FullSend::begin(Instant now, std::uint64_t send, SendSpeed speed, std::optional<SendRanges> ranges) {
  abandon();
  phase_ = Phase::dumping;
  begin_due_ = true;
  send_ = send;
  ranges_ = std::move(ranges);
  reading_ = Pace(now, speed.read_per_second);
  sending_ = Pace(now, speed.sent_per_second);
}

void FullSend::abandon() {
  phase_ = Phase::idle;
  begin_due_ = false;
  ranges_.reset();
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
  const std::uint64_t place = place_of(event.expectation.key);
  return !running() || !concerned(place) || touch_whole(place);
}

bool FullSend::touch(const ConntrackEvent& event) {
  if (!running()) return true;
  const EntryKey& key = event.entry.key;
  const std::uint64_t hash = place_of(key);
  if (!concerned(hash)) return true;
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
  reading_.done();
  if (!concerned(place_of(entry.key))) return;
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
  if (!concerned(place_of(expectation.key))) return;
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
  return wire::Begin{.send = send_, .compare = ranges_ ? ranges_->compare : 0};
}

std::optional<wire::Message> FullSend::next(Instant now) {
  while (!lane_.empty() && sending_.allows(now)) {
    Item item = std::move(lane_.front());
    lane_.pop_front();
    std::optional<wire::Message> message;
    if (auto* entry = std::get_if<ConntrackEntry>(&item)) {
      message = entry_message(std::move(*entry));
    } else {
      Expectation& expectation = std::get<Expectation>(item);
      const bool touched = touched_.find(place_of(expectation.key)) != nullptr;
      if (!touched) message = wire::Expected{std::move(expectation)};
    }
    if (!message) continue;
    sending_.done();
    return message;
  }
  return std::nullopt;
}

std::optional<wire::Message> FullSend::entry_message(ConntrackEntry entry) const {
  const HashIndex::Slot* touched = touched_.find(place_of(entry.key));
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

std::optional<Instant> FullSend::pace_deadline() const {
  if (lane_.empty()) return std::nullopt;
  return sending_.allowed_at();
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
