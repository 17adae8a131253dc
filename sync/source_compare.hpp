// The source's half of a compare: its table condensed to digests, and the replica's answer to them. One at a
// time. The source owns it and tells it what was sent and what was read; README.md, "Reconcile", has the
// picture. Working memory: TableDigest while it reads, then 4 bytes a range, then a bit a range.
//
//   idle -> reading (begin goes out, both sides read) -> sending (digests) -> asked -> answered -> idle
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sync/pace.hpp"
#include "sync/table_digest.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

// What the replica wants of it.
struct CompareAnswer {
  bool all = false;
  std::size_t wanted = 0;  // of so many:
  std::size_t compared = 0;
  bool left_out_some = false;  // keys that messages named meanwhile
  RangeSet ranges;
};

class SourceCompare {
 public:
  // What changed before the dump ended and was not reported yet is awaited that long.
  static constexpr Duration kCaptureGrace = 20ms;
  // The replica's silence after that: it changed its role, or forgot. The compare is void.
  static constexpr Duration kAnswerWithin = 60s;

  void begin(Instant now, const wire::CompareBegin& begin, std::uint32_t entries_per_second);
  void abandon();
  bool running() const { return phase_ != Phase::idle; }
  bool reading() const { return phase_ == Phase::reading && !dump_ended_; }
  // Its table is in memory: reading it, or waiting for the replica to have read its own.
  bool holds_table() const { return phase_ == Phase::reading; }
  // Since when only the replica is waited for.
  std::optional<Instant> waits_since() const {
    return holds_table() && dump_ended_ ? std::optional(send_not_before_) : std::nullopt;
  }
  std::uint64_t number() const { return begin_.compare; }
  std::size_t bytes() const { return table_.bytes() + digests_.size() * sizeof(std::uint32_t); }

  // A message that names this key is sent now. False: too many.
  bool touch(const wire::Message& message);
  // This key is unknown to the replica and is to stay so for now. False: too many.
  bool leave_out(std::uint64_t place) { return phase_ != Phase::reading || table_.touch(place); }
  // The dump, already filtered. False: too many.
  template <typename Item>
  bool add(const Item& item) {
    pace_.done();
    return table_.add(item);
  }
  bool has_room(Instant now) const { return pace_.allows(now); }
  Instant reading_deadline() const { return pace_.allowed_at(); }
  void end_dump(Instant now);

  void on_ready(const wire::CompareReady& ready);
  // The begin, once.
  std::optional<wire::Message> take_begin();
  // Both tables are read: the digests may go as soon as the events before them have.
  bool ready_to_send(Instant now) const;
  std::optional<wire::Message> next_digests();

  // The whole answer, when its last piece came; the compare is over then.
  std::optional<CompareAnswer> on_wanted(const wire::RangesWanted& wanted);

  bool overdue(Instant now) const { return running() && deadline_ && now >= *deadline_; }
  std::optional<Instant> next_deadline() const;

 private:
  enum class Phase : std::uint8_t { idle, reading, sending, asked };

  Phase phase_ = Phase::idle;
  wire::CompareBegin begin_;
  bool begin_due_ = false;
  bool dump_ended_ = false;
  bool peer_ready_ = false;
  Instant send_not_before_{};
  std::optional<Instant> deadline_;
  Pace pace_;
  TableDigest table_;
  unsigned bits_ = 0;
  std::vector<std::uint32_t> digests_;
  std::size_t sent_ = 0;
  bool left_out_some_ = false;
  std::size_t wanted_ = 0;
  RangeSet ranges_;
};

}  // namespace ftfw::sync
