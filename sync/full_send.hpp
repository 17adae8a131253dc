// One pass over the kernel's table for the peer, between a begin and an end marker: of all of it for a peer
// that holds nothing, otherwise of the ranges that a compare found different. The table is read while it
// changes. Keys that events named since the begin are remembered
// ("touched"), because an event is newer than what the dump holds: a destroyed entry must not come back, a
// changed one must not go back. What an update said is merged into the dumped entry, because the peer may
// have had no entry to apply the update to. Masters first: related entries and expectations wait until the
// dump ended. All of it is bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "appliance/base/time.hpp"
#include "sync/hash_index.hpp"
#include "sync/observation.hpp"
#include "sync/pace.hpp"
#include "sync/range_set.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

// A compare's outcome: only these ranges are sent.
struct SendRanges {
  std::uint64_t compare = 0;
  RangeSet set;
};
// How fast; 0: as fast as the kernel and the window allow.
struct SendSpeed {
  std::uint32_t read_per_second = 0;
  std::uint32_t sent_per_second = 0;
};

class FullSend {
 public:
  static constexpr std::size_t kMaxTouched = std::size_t{1} << 19;  // 16 MB at most, freed at the end
  static constexpr std::size_t kMaxParts = 16'384;                  // updates kept to be merged; about 6 MB
  static constexpr std::size_t kLaneTarget = 4096;                  // dumped and not sent: ask for no more
  static constexpr std::size_t kMaxHeld = 16'384;                   // related entries, and again expectations

  void begin(Instant now, std::uint64_t send, SendSpeed speed,
             std::optional<SendRanges> ranges = std::nullopt);
  void abandon();
  bool running() const { return phase_ != Phase::idle; }
  std::uint64_t send() const { return send_; }
  bool of_ranges() const { return ranges_.has_value(); }
  bool reading() const { return phase_ == Phase::dumping; }

  // An event came that is sent by itself. False: too many, the pass is void.
  bool touch(const ConntrackEvent& event);
  bool touch(const ExpectationEvent& event);

  // The dump, already filtered.
  bool has_room(Instant now) const { return lane_.size() < kLaneTarget && reading_.allows(now); }
  Instant reading_deadline() const { return reading_.allowed_at(); }
  void add(const ConntrackEntry& entry);
  void add(const Expectation& expectation);
  void end_dump();

  // The begin marker, once.
  std::optional<wire::Message> take_begin();
  // The next of the dump; nothing when none is there or the pace forbids it.
  std::optional<wire::Message> next(Instant now);
  // The dump has ended and all of it has gone: the end marker may go as soon as the events before it have.
  bool drained() const { return phase_ == Phase::draining && lane_.empty(); }
  wire::End finish();
  std::optional<Instant> pace_deadline() const;
  std::size_t waiting() const { return lane_.size() + related_.size() + expectations_.size(); }
  std::uint64_t held_overflows() const { return held_overflows_; }
  std::uint64_t part_overflows() const { return part_overflows_; }

 private:
  enum class Phase : std::uint8_t { idle, dumping, draining };
  using Item = std::variant<ConntrackEntry, Expectation>;

  bool touch_whole(std::uint64_t hash);
  bool concerned(std::uint64_t place) const { return !ranges_ || ranges_->set.contains(place); }
  std::optional<wire::Message> entry_message(ConntrackEntry entry) const;  // nothing: an event said it all

  Phase phase_ = Phase::idle;
  bool begin_due_ = false;
  std::uint64_t send_ = 0;
  std::optional<SendRanges> ranges_;  // nothing: the whole table
  Pace reading_;
  Pace sending_;
  std::uint64_t held_overflows_ = 0;
  std::uint64_t part_overflows_ = 0;
  HashIndex touched_{kMaxTouched};
  std::unordered_map<EntryKey, ConntrackEntry> parts_;  // what updates since the begin said
  std::deque<Item> lane_;
  std::vector<ConntrackEntry> related_;
  std::vector<Expectation> expectations_;
};

// Every master before what is related to it, N levels; otherwise the given order.
void order_by_master(std::vector<ConntrackEntry>& related);

}  // namespace ftfw::sync
