// The receiving half: what of the peers' messages is believed (one source, epochs, filter), when the own
// table is read (to learn what is there, to compare it with the source's, and to sweep what the source does
// not have), and whether everything of the present source's table is here. What it decides to do to the
// kernel goes through the injector.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/group_state.hpp"
#include "sync/injector.hpp"
#include "sync/output.hpp"
#include "sync/replica_compare.hpp"
#include "sync/settings.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

class Replica {
 public:
  static constexpr Duration kAskAfter = 500ms;  // a living source, and no begin from it
  static constexpr Duration kAskAgain = 2s;
  static constexpr Duration kAfterFailedDump = 200ms;
  static constexpr unsigned kMaxAsks = 3;  // for another compare after refusals
  // What the kernel refused of the stream, when the tables were found equal before: it may fit soon.
  static constexpr Duration kAskAfterTrouble = 2s;
  static constexpr Duration kBetweenTroubles = 10s;
  // Labels or helpers that the kernel refused are left out of compares that long.
  static constexpr Duration kForgetRefusals = 10min;

  Replica(const Settings& settings, const Filter& filter, Injector& injector, Counters& counters);

  // Starts anew: nothing is known of the own table, nothing was received.
  void start(Instant now);
  // Nothing more is accepted until start(): a takeover has begun, or this node is the source.
  void seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }
  // The source's conversation began anew.
  void on_new_session();

  std::uint64_t epoch() const { return epoch_; }  // the newest source's; older ones are not obeyed
  void raise_epoch(std::uint64_t epoch);
  // The conversation whose other end is obeyed; nothing: nobody's yet, the first one of this epoch or a
  // newer.
  std::optional<std::uint64_t> source() const { return source_; }
  // Somebody is the source of this epoch. Obeyed from now on if that is newer than all before, or nobody else
  // is obeyed in it; then what was half received from another one is void, and the table stays as it is.
  void follow(std::uint64_t session, std::uint64_t epoch);
  // The source is gone: another one of the same epoch may be followed.
  void forget_source() { source_.reset(); }

  bool has_room() const { return sealed_ || injector_.has_room(); }
  bool has_room_for_dump(DumpPurpose purpose, Instant now) const;
  std::optional<Instant> reading_deadline() const;  // of a compare: when the pace lets it go on
  // What a source should know about the table here.
  TableState table_state(Instant now);
  // session: the number of the conversation it came in. across_gap: something before it is missing for good.
  void on_message(std::uint64_t epoch, std::uint64_t session, wire::Message message, bool across_gap = false);
  void on_mark(const Mark& mark);

  std::optional<DumpPurpose> dump_due(Instant now);
  void on_dump(DumpPurpose purpose, std::span<const ConntrackEntry> entries,
               std::span<const Expectation> expectations);
  void on_dump_end(Instant now, DumpPurpose purpose, bool complete);

  // A message to the source, when one is due.
  std::optional<wire::Message> request_due(Instant now, const PeerState& peer, std::uint64_t session);

  std::size_t compare_bytes() const { return compare_.bytes(); }

  struct InSync {
    bool in_sync = true;
    std::string reason;
  };
  InSync in_sync(const PeerState& peer, std::uint64_t session) const;
  std::optional<Instant> next_deadline(bool can_send, bool can_dump) const;

 private:
  struct From {
    std::uint64_t epoch = 0;
    std::uint64_t session = 0;
    bool operator==(const From&) const = default;
  };

  void drop_half_received();
  void on_entry(wire::Entry& message);
  void on_pass(From from, const wire::Message& message);
  void on_begin(From from, const wire::Begin& begin);
  void on_digests(From from, const wire::Digests& digests);
  void complete(From from);
  bool asks_for_trouble(Instant now);
  void sweep(std::span<const ConntrackEntry> entries, std::span<const Expectation> expectations);
  void push_mark(Mark::Kind kind, From from, std::uint64_t send,
                 std::shared_ptr<const RangeSet> ranges = nullptr);
  std::uint64_t trouble() const;  // how often the kernel refused what another order might have allowed
  bool obeys(const PeerState& peer) const {
    return peer.alive && peer.role == Role::source && peer.source_epoch >= epoch_;
  }

  const Settings& settings_;
  const Filter& filter_;
  Injector& injector_;
  Counters& counters_;
  bool sealed_ = false;
  std::uint64_t epoch_ = 0;
  std::optional<std::uint64_t> source_;
  std::optional<From> begun_;       // newest begin that came in
  std::optional<From> complete_;    // newest source of which everything is in the kernel, and nothing else
  std::uint64_t current_send_ = 0;  // whose entries the injector is at
  From current_from_;
  std::shared_ptr<const RangeSet> current_ranges_;
  Mark sweeping_;  // the end that the sweep is for
  ReplicaCompare compare_;
  From comparing_from_;
  std::uint64_t dumped_compare_ = 0;  // whose dump is under way
  std::uint32_t compare_generation_ = 0;
  bool compare_due_ = false;  // its dump
  bool own_tasks_ = false;    // learning or sweeping gave tasks that the compare's mark did not wait for
  bool learned_ = false;
  std::uint32_t sweep_generation_ = 0;
  bool learn_due_ = false;
  bool sweep_due_ = false;
  Instant dump_not_before_{};
  std::uint64_t trouble_before_ = 0;  // trouble() at the begin
  bool ask_again_ = false;            // for one more compare
  unsigned asks_in_a_row_ = 0;
  std::optional<Instant> ask_at_;
  bool pass_open_ = false;  // something is begun and not complete
  std::optional<Instant> trouble_ask_at_;
  Instant no_trouble_ask_before_{};
  LeftOut refused_;
  Instant refused_until_{};
  std::uint64_t labels_refused_before_ = 0;
  std::uint64_t helpers_refused_before_ = 0;
};

}  // namespace ftfw::sync
