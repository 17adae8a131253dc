// The sending half: which of the kernel's events go to the peer, when the tables are compared, what of the
// table is sent then, and in what order. Keeps no copy of the table: the outbox (waiting events), flows below
// the minimum age, and while a compare or a full send runs what those two name.
// Active while the engine's role is source; a replica never sends, whatever it captures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/full_send.hpp"
#include "sync/outbox.hpp"
#include "sync/output.hpp"
#include "sync/settings.hpp"
#include "sync/source_compare.hpp"
#include "sync/young_flows.hpp"

namespace ftfw::sync {

// How far the pass over the table is that is under way, or was the last.
struct Reading {
  Instant since{};
  std::size_t done = 0;
  std::size_t expected = 0;  // 0: not known
};

class Source {
 public:
  static constexpr Duration kBetweenCompares = 250ms;  // an overrun heals within a second, and is no storm
  // After doubt, keys that traffic named during the compare may lack what was lost before: a paced second
  // look.
  static constexpr Duration kSecondLook = 2s;
  // After a takeover the flows that were interrupted come first: reading even an empty table of 262,144
  // buckets keeps a processor from its packets for 10 ms (ctnetlink_dump_table walks it with softirqs off).
  static constexpr Duration kTrafficFirst = 300ms;
  static constexpr Duration kAfterFailedDump = 1s;
  static constexpr Duration kAfterTooManyTouched = 1s;

  // secret: random for every start of the process; nobody outside can foretell the ranges.
  Source(const Settings& settings, const Filter& filter, Counters& counters, std::uint64_t secret);

  void start(Instant now);
  void stop();
  bool active() const { return active_; }
  std::uint64_t overflows() const { return overflows_; }

  void on_new_session(Instant now);
  // What is known of the peer. digests: it understands compares; else the whole table is sent every time.
  void on_peer(const TableState& table, bool digests);
  // restart: the peer never saw the begin of what is under way. Otherwise it only wishes for a compare soon.
  void on_full_send_request(Instant now, bool restart);
  void on_overrun(Instant now);
  void on_event(Instant now, const Event& event);
  void on_message(Instant now, const wire::Message& message);  // of a compare, from the replica

  // Begins what is due, under this number. Something: the kernel's table is to be read for it. may_compare:
  // no other peer's compare holds the table in memory (compare_turn.hpp).
  std::optional<DumpPurpose> begin_when_due(Instant now, std::uint64_t number, bool may_compare = true);
  // What was due is a compare, and it may not begin yet.
  bool waits_for_turn() const { return waits_for_turn_; }
  bool hurried() const { return waits_for_turn_ ? due_ : hurried_; }
  const SourceCompare& compare() const { return compare_; }
  // Gives the turn to another peer: the compare under way is void, and due again.
  void yield(Instant now);
  // The dump that was asked for under this number is still of use.
  bool wants_dump(std::uint64_t number) const;
  bool has_room(Instant now) const;
  std::optional<Instant> reading_deadline() const {
    return compare_.reading() ? compare_.reading_deadline() : full_.reading_deadline();
  }  // when the pace lets it go on
  void on_dump(Instant now, std::span<const ConntrackEntry> entries,
               std::span<const Expectation> expectations);
  void on_dump_end(Instant now, bool complete);

  std::optional<wire::Message> next(Instant now);
  // When what next() gave last was reported by the kernel; nothing if it was no event.
  std::optional<Instant> reported_at() const { return reported_at_; }
  std::optional<Instant> oldest_waiting() const { return outbox_.oldest(); }

  // can_send: frames can go. can_dump: no dump is under way.
  std::optional<Instant> next_deadline(bool can_send, bool can_dump) const;
  std::size_t pending_events() const { return outbox_.size(); }
  std::size_t young_flows() const { return young_.size(); }
  std::size_t pending_full_send() const { return full_.waiting(); }
  std::optional<Instant> last_full_send() const { return last_finished_; }
  const Reconciled& last_reconcile() const { return last_reconcile_; }
  Reconciling reconciling() const;
  bool reconcile_due() const { return active_ && (due_ || whole_due_ || ranges_due_.has_value()); }
  // Of the table, entries and expectations; the time since that began.
  const Reading& reading() const { return reading_; }
  // About how many entries the table has, if somebody knows.
  void expect_entries(std::size_t count) { reading_.expected = count; }
  std::size_t compare_bytes() const { return compare_.bytes(); }

 private:
  static constexpr unsigned kEventsPerDumped =
      8;  // while both wait: a busy source still finishes its compare

  void on_conntrack(Instant now, const ConntrackEvent& event);
  void on_expectation(Instant now, const ExpectationEvent& event);
  // Of a flow that is too young to be sent: true if that was all that is to be done.
  bool is_kept_young(Instant now, const ConntrackEvent& event);
  bool begins(const ConntrackEvent& event) const;
  void send_grown(Instant now);
  void send_master(Instant now, const Tuple& master, std::uint16_t zone);
  void send_as_new(Instant now, const ConntrackEntry& entry);
  void leave_out_of_compare(const EntryKey& key);
  template <typename Event>
  void stream(Instant now, const Event& event);  // one that passed the filter
  // What was collected until now is void, a compare is due.
  void start_over(ReconcileCause cause);
  void make_due(ReconcileCause cause);
  void abandon();  // the compare or the send under way
  template <typename Item>
  void add_dumped(Instant now, const Item& item);
  std::optional<DumpPurpose> begin_send(Instant now, std::uint64_t number, SendSpeed speed,
                                        std::optional<SendRanges> ranges);
  void begin_reading(Instant now);
  void on_answer(Instant now, const CompareAnswer& answer);
  void finish(Instant now);
  bool events_before_are_sent();  // those that waited when it was first asked
  std::optional<wire::Message> next_of_pass(Instant now);
  std::optional<Instant> next_of_pass_deadline(bool can_dump) const;
  void count(const wire::Message& message);

  const Settings& settings_;
  const Filter& filter_;
  Counters& counters_;
  YoungFlows young_;
  Outbox outbox_;
  FullSend full_;
  SourceCompare compare_;
  std::uint64_t secret_;
  TableState peer_table_;
  bool peer_digests_ = false;
  bool active_ = false;
  bool streaming_ = false;                // a compare or a full send has begun: events since then travel
  bool due_ = false;                      // a compare, as soon as it may, unpaced
  bool whole_due_ = false;                // a full send: the replica's answer
  std::optional<SendRanges> ranges_due_;  // likewise
  bool second_look_ = false;
  ReconcileCause due_cause_ = ReconcileCause::periodic;
  ReconcileCause next_cause_ = ReconcileCause::periodic;  // of the one at next_compare_
  bool hurried_ = false;                                  // what is under way is not a periodic one
  bool waits_for_turn_ = false;
  bool end_placed_ = false;  // end_after_ is set
  std::uint64_t end_after_ = 0;
  Instant not_before_{};
  Instant next_compare_{};
  unsigned events_in_a_row_ = 0;
  std::uint64_t overflows_ = 0;
  std::optional<Instant> last_finished_;
  std::optional<Instant> reported_at_;
  Reading reading_;
  Reconciled running_;  // becomes last_reconcile_
  Reconciled last_reconcile_;
  Instant reconcile_started_{};
};

}  // namespace ftfw::sync
