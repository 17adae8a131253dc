// What happened, for status and metrics. Written by the engine alone; read between two calls of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "appliance/base/time.hpp"

namespace ftfw::sync {

struct Counters {
  // frames
  std::uint64_t frames_sent = 0;
  std::uint64_t frames_resent = 0;
  std::uint64_t frames_received = 0;
  std::uint64_t frames_duplicate = 0;
  std::uint64_t frames_malformed = 0;
  std::uint64_t frames_foreign = 0;  // of another instance than the agreed one, either side
  std::uint64_t frames_beyond_window = 0;
  std::uint64_t messages_unknown = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t hellos_refused = 0;  // own name, wrong name, no common version
  std::uint64_t sessions = 0;        // agreed with a (re)started peer
  // source
  std::uint64_t events = 0;
  std::uint64_t events_of_replica = 0;   // captured while replica: never sent
  std::uint64_t events_filtered = 0;     // local, other protocol or state, excluded network
  std::uint64_t flows_ended_young = 0;   // never sent: gone before the minimum age
  std::uint64_t young_overflows = 0;     // sent below the minimum age: too many to keep
  std::uint64_t events_before_send = 0;  // no full send begun: the dump will show them
  std::uint64_t events_coalesced = 0;
  std::uint64_t entries_sent = 0;
  std::uint64_t destroys_sent = 0;
  std::uint64_t expectations_sent = 0;
  std::uint64_t outbox_overflows = 0;   // each ends in a compare
  std::uint64_t touched_overflows = 0;  // likewise
  std::uint64_t held_overflows = 0;     // related entries sent before their masters
  std::uint64_t part_overflows = 0;     // updates during a full send that the next one has to repeat
  std::uint64_t overruns = 0;
  std::uint64_t compares = 0;  // begun
  std::uint64_t compares_finished = 0;
  std::uint64_t compares_abandoned = 0;
  std::uint64_t compare_overflows = 0;  // more entries than one can hold: each ends in a full send
  std::uint64_t ranges_compared = 0;
  std::uint64_t ranges_differing = 0;
  std::uint64_t repairs = 0;           // begun: of the ranges that differed
  std::uint64_t entries_repaired = 0;  // sent in these
  std::uint64_t full_sends = 0;        // begun
  std::uint64_t full_sends_finished = 0;
  std::uint64_t full_sends_abandoned = 0;
  std::uint64_t full_sends_requested = 0;  // by the peer
  std::uint64_t settled = 0;               // parked timeouts made normal after a takeover
  // replica
  std::uint64_t messages_received = 0;
  std::uint64_t stale_epoch = 0;      // data of a dead epoch, dropped
  std::uint64_t second_source = 0;    // data of an epoch in which another node is obeyed, dropped
  std::uint64_t refused_by_role = 0;  // data while source or committed, dropped
  std::uint64_t uncovered = 0;        // local, of another protocol, or excluded: dropped
  std::uint64_t created = 0;
  std::uint64_t updated = 0;
  std::uint64_t destroyed = 0;
  std::uint64_t expectations_created = 0;
  std::uint64_t replaced = 0;        // deleted and created again: the kernel or another translation wanted it
  std::uint64_t incomplete = 0;      // an update of what is not there, not enough to create it
  std::uint64_t mistaken = 0;        // updated, and then found to be an older flow of the same tuple
  std::uint64_t without_master = 0;  // related, created alone
  std::uint64_t without_helper = 0;  // the helper is not in this kernel
  std::uint64_t reply_clash = 0;     // another flow has the reply tuple: given up until the next compare
  std::uint64_t table_full = 0;
  std::uint64_t labels_refused = 0;  // no rule uses labels
  std::uint64_t expectation_refused = 0;
  std::uint64_t other_refusals = 0;
  std::uint64_t swept = 0;  // not in the source's table any more
  std::uint64_t index_overflows = 0;
  std::uint64_t made_liberal = 0;  // own entries on becoming replica
  std::uint64_t renewed = 0;       // parked timeouts that had half run out
  std::uint64_t compares_received = 0;
  std::uint64_t compares_equal = 0;
  std::uint64_t repairs_received = 0;
  std::uint64_t full_sends_received = 0;
  std::uint64_t full_sends_asked_for = 0;
};

// The sum of what this node and its conversations counted. What the capture handed to every conversation
// counts once.
Counters sum_of(const Counters& own, std::span<const Counters* const> conversations);

// A compare and what followed from it, for status.
enum class Reconciling : std::uint8_t { idle, comparing, repairing, sending_all };
// Why it was begun.
enum class ReconcileCause : std::uint8_t {
  periodic,
  became_source,
  new_conversation,  // either side has started
  overrun,           // events were lost
  overflow,          // more waiting events, or changing keys, than can be kept
  requested,         // by the replica
  second_look,       // at keys that changed during the one before
  repeated,          // the one before could not be finished
};
std::string_view name_of(ReconcileCause cause);
std::string_view name_of(Reconciling what);

struct Reconciled {
  ReconcileCause cause = ReconcileCause::periodic;
  std::uint64_t entries = 0;  // of the table here, that were compared or looked at
  std::uint64_t ranges = 0;   // 0: the whole table was sent without a compare
  std::uint64_t differing = 0;
  std::uint64_t sent = 0;  // entries and expectations
  Duration took{};
  std::optional<Instant> finished;
};

}  // namespace ftfw::sync
