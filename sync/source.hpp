// The sending half: which of the kernel's events go to the peer, when the whole table is sent, and in what
// order. Keeps no copy of the table: the outbox (waiting events) and, during a full send, the touched keys.
// Active while the engine's role is source; a replica never sends, whatever it captures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/full_send.hpp"
#include "sync/outbox.hpp"
#include "sync/settings.hpp"

namespace ftfw::sync {

class Source {
 public:
  static constexpr Duration kBetweenFullSends = 250ms;  // an overrun heals within a second, and is no storm
  static constexpr Duration kAfterFailedDump = 1s;

  Source(const Settings& settings, const Filter& filter, Counters& counters);

  void start(Instant now);
  void stop();
  bool active() const { return active_; }
  std::uint64_t overflows() const { return overflows_; }

  void on_new_session(Instant now);
  // restart: the peer never saw the begin of the one under way.
  void on_full_send_request(Instant now, bool restart);
  void on_overrun(Instant now);
  void on_event(const Event& event);

  // Begins a full send when one is due. True: the kernel's table is to be read for it.
  bool begin_when_due(Instant now, std::uint64_t send);
  // The dump that was asked for under this number still belongs to a running full send.
  bool wants_dump(std::uint64_t send) const { return full_.running() && full_.send() == send; }
  bool has_room() const { return full_.has_room(); }
  void on_dump(std::span<const ConntrackEntry> entries, std::span<const Expectation> expectations);
  void on_dump_end(Instant now, bool complete);

  std::optional<wire::Message> next(Instant now);

  // can_send: frames can go. can_dump: no dump is under way.
  std::optional<Instant> next_deadline(bool can_send, bool can_dump) const;
  std::size_t pending_events() const { return outbox_.size(); }
  std::size_t pending_full_send() const { return full_.waiting(); }
  std::optional<Instant> last_full_send() const { return last_finished_; }

 private:
  static constexpr unsigned kEventsPerDumped =
      8;  // while both wait: a busy source still finishes its compare

  void on_conntrack(const ConntrackEvent& event);
  void on_expectation(const ExpectationEvent& event);
  template <typename Event>
  void stream(const Event& event);  // one that passed the filter
  void needs_full_send();  // and what was collected until now is void
  std::optional<wire::Message> next_dumped(Instant now);
  void count(const wire::Message& message);

  const Settings& settings_;
  const Filter& filter_;
  Counters& counters_;
  Outbox outbox_;
  FullSend full_;
  bool active_ = false;
  bool streaming_ = false;   // a full send has begun: events since then travel
  bool due_ = false;         // a full send, as soon as it may
  bool end_placed_ = false;  // end_after_ is set
  std::uint64_t end_after_ = 0;
  Instant not_before_{};
  Instant next_compare_{};
  unsigned events_in_a_row_ = 0;
  std::uint64_t overflows_ = 0;
  std::optional<Instant> last_finished_;
};

}  // namespace ftfw::sync
