#include "sync/outbox.hpp"

#include <utility>

namespace ftfw::sync {

ConntrackEntry merge_event(const ConntrackEntry& older, const ConntrackEntry& event) {
  ConntrackEntry merged = merge(older, event);
  merged.mark = event.mark;
  return merged;
}

template <typename Key>
wire::Message* Outbox::waiting(const Positions<Key>& positions, const Key& key) {
  const auto found = positions.find(key);
  return found == positions.end() ? nullptr : &items_[found->second - head_].message;
}

template <typename Key>
bool Outbox::append(Instant now, Positions<Key>& positions, const Key& key, wire::Message message) {
  if (items_.size() >= kMaxItems) return false;
  positions[key] = tail();
  items_.push_back({.message = std::move(message), .since = now});
  return true;
}

template <typename Key>
void Outbox::forget(Positions<Key>& positions, const Key& key) {
  // The key may have a newer item already (destroyed, then created again).
  const auto found = positions.find(key);
  if (found != positions.end() && found->second == head_) positions.erase(found);
}

bool Outbox::push(Instant now, const ConntrackEvent& event) {
  const EntryKey& key = event.entry.key;
  wire::Message* item = waiting(entries_, key);
  if (event.change == Change::destroyed) {
    if (item == nullptr) return append(now, entries_, key, wire::Destroyed{key});
    ++coalesced_;
    *item = wire::Destroyed{key};
    return true;
  }
  auto* entry = item == nullptr ? nullptr : std::get_if<wire::Entry>(item);
  if (entry == nullptr) return append(now, entries_, key, wire::Entry{.entry = event.entry});
  ++coalesced_;
  entry->entry = event.change == Change::created ? event.entry : merge_event(entry->entry, event.entry);
  return true;
}

bool Outbox::push(Instant now, const ExpectationEvent& event) {
  const ExpectationKey& key = event.expectation.key;
  wire::Message* item = waiting(expectations_, key);
  if (event.change == Change::destroyed) {
    if (item == nullptr) return append(now, expectations_, key, wire::ExpectedDestroyed{key});
    ++coalesced_;
    *item = wire::ExpectedDestroyed{key};
    return true;
  }
  auto* expected = item == nullptr ? nullptr : std::get_if<wire::Expected>(item);
  if (expected == nullptr) return append(now, expectations_, key, wire::Expected{event.expectation});
  ++coalesced_;
  expected->expectation = event.expectation;
  return true;
}

std::optional<wire::Message> Outbox::pop() {
  if (items_.empty()) return std::nullopt;
  wire::Message message = std::move(items_.front().message);
  if (const auto* entry = std::get_if<wire::Entry>(&message)) forget(entries_, entry->entry.key);
  if (const auto* destroyed = std::get_if<wire::Destroyed>(&message)) forget(entries_, destroyed->key);
  if (const auto* expected = std::get_if<wire::Expected>(&message))
    forget(expectations_, expected->expectation.key);
  if (const auto* gone = std::get_if<wire::ExpectedDestroyed>(&message)) forget(expectations_, gone->key);
  items_.pop_front();
  ++head_;
  return message;
}

std::optional<Instant> Outbox::oldest() const {
  if (items_.empty()) return std::nullopt;
  return items_.front().since;
}

void Outbox::clear() {
  head_ = tail();
  items_.clear();
  entries_.clear();
  expectations_.clear();
}

}  // namespace ftfw::sync
