#include "sync/young_flows.hpp"

#include <utility>

#include "sync/outbox.hpp"

namespace ftfw::sync {

void YoungFlows::begin(Instant now, const ConntrackEntry& entry) {
  drop(entry.key);
  flows_.push_back({.entry = entry, .ripe_at = now + minimum_age_});
  places_[entry.key] = std::prev(flows_.end());
}

void YoungFlows::update(const ConntrackEntry& event) {
  ConntrackEntry& known = places_.at(event.key)->entry;
  known = merge_event(known, event);
}

bool YoungFlows::drop(const EntryKey& key) {
  return release(key).has_value();
}

std::optional<ConntrackEntry> YoungFlows::release(const EntryKey& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  ConntrackEntry entry = std::move(found->second->entry);
  flows_.erase(found->second);
  places_.erase(found);
  return entry;
}

std::optional<ConntrackEntry> YoungFlows::take_ripe(Instant now) {
  if (flows_.empty()) return std::nullopt;
  const bool ripe = now >= flows_.front().ripe_at;
  if (!ripe && flows_.size() <= kMaxFlows) return std::nullopt;
  if (!ripe) ++crowded_out_;
  return release(EntryKey(flows_.front().entry.key));
}

std::optional<Instant> YoungFlows::next_ripe() const {
  if (flows_.empty()) return std::nullopt;
  return flows_.front().ripe_at;
}

void YoungFlows::clear() {
  flows_.clear();
  places_.clear();
}

}  // namespace ftfw::sync
