// Flows of the source that are not old enough to be sent, each whole: what its creation said and its updates
// since, for those carry only what changed. One that ends here was never sent, so nothing needs to be said
// about its end. In the order in which they began, which is the order in which they become old enough.
// Bounded: beyond the limit the oldest go early.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "appliance/base/time.hpp"
#include "sync/hash.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

class YoungFlows {
 public:
  static constexpr std::size_t kMaxFlows = 65'536;  // some 600 bytes each

  explicit YoungFlows(Duration minimum_age) : minimum_age_(minimum_age) {}

  bool used() const { return minimum_age_ > Duration::zero(); }
  bool contains(const EntryKey& key) const { return places_.contains(key); }
  std::size_t size() const { return flows_.size(); }

  // A flow begins.
  void begin(Instant now, const ConntrackEntry& entry);
  // An update of one that is here.
  void update(const ConntrackEntry& event);
  // True if it was here.
  bool drop(const EntryKey& key);
  // Somebody needs it sent now.
  std::optional<ConntrackEntry> release(const EntryKey& key);
  // The oldest, if it is old enough or there are too many.
  std::optional<ConntrackEntry> take_ripe(Instant now);
  std::optional<Instant> next_ripe() const;
  void clear();

  std::uint64_t crowded_out() const { return crowded_out_; }

 private:
  struct Flow {
    ConntrackEntry entry;
    Instant ripe_at;
  };

  Duration minimum_age_;
  std::list<Flow> flows_;
  std::unordered_map<EntryKey, std::list<Flow>::iterator> places_;
  std::uint64_t crowded_out_ = 0;
};

}  // namespace ftfw::sync
