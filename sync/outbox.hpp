// What a source's kernel reported and the peer was not told yet. One item per key: a later change is merged
// into the waiting one, a destroy replaces it. The kernel's order of first reports is kept, so a master
// conntrack goes before what is related to it and before its expectations. A destroy is never merged with a
// later creation of the same key: both travel, in order. Bounded: a push that does not fit is refused, and
// only a compare of the tables can help then.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "appliance/base/time.hpp"
#include "sync/hash.hpp"
#include "sync/observation.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

// What an update event says, completed by what was known. An event without a mark says that it is 0
// (ctnetlink_conntrack_event leaves out only that).
ConntrackEntry merge_event(const ConntrackEntry& older, const ConntrackEntry& event);

class Outbox {
 public:
  static constexpr std::size_t kMaxItems = 65'536;

  bool push(Instant now, const ConntrackEvent& event);
  bool push(Instant now, const ExpectationEvent& event);
  std::optional<wire::Message> pop();
  // When what pop() gives next was first reported; what waits behind it was later.
  std::optional<Instant> oldest() const;
  void clear();

  std::size_t size() const { return items_.size(); }
  // Positions grow for ever: everything pushed so far has gone once head() reached this tail().
  std::uint64_t head() const { return head_; }
  std::uint64_t tail() const { return head_ + items_.size(); }
  std::uint64_t coalesced() const { return coalesced_; }

 private:
  template <typename Key>
  using Positions = std::unordered_map<Key, std::uint64_t>;

  template <typename Key>
  wire::Message* waiting(const Positions<Key>& positions, const Key& key);
  template <typename Key>
  bool append(Instant now, Positions<Key>& positions, const Key& key, wire::Message message);
  template <typename Key>
  void forget(Positions<Key>& positions, const Key& key);

  struct Item {
    wire::Message message;
    Instant since;
  };
  std::deque<Item> items_;
  std::uint64_t head_ = 0;
  std::uint64_t coalesced_ = 0;
  Positions<EntryKey> entries_;
  Positions<ExpectationKey> expectations_;
};

}  // namespace ftfw::sync
