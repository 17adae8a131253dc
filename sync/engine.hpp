// The replication engine of one node: (now, input) -> outputs. Pure: no clock, socket, thread or log. One
// thread calls it, handing in what happened, and then takes the outputs; nothing is decided in between, so
// inputs may be batched. Roles: a replica obeys the newest source's epoch and never sends flows; a source
// obeys nobody. It starts as replica. Contract, protocol and invariants: README.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/injector.hpp"
#include "sync/output.hpp"
#include "sync/replica.hpp"
#include "sync/session.hpp"
#include "sync/settings.hpp"
#include "sync/settler.hpp"
#include "sync/source.hpp"

namespace ftfw::sync {

// How far it is; for status.
struct Progress {
  Role role = Role::replica;
  std::uint64_t epoch = 0;  // own as source, obeyed as replica
  bool in_sync = false;
  std::string reason;             // for in_sync
  std::size_t index_entries = 0;  // replica: entries known to be in the kernel
  std::size_t index_bytes = 0;
  std::size_t unacknowledged_frames = 0;
  std::size_t pending_events = 0;               // source: not sent yet
  std::size_t pending_full_send = 0;            // source: dumped and not sent yet
  std::size_t lag_entries = 0;                  // source: reported or dumped, and not acknowledged
  std::optional<Instant> lag_since;             // source: when the oldest event of them was reported
  std::uint64_t acknowledged_entries = 0;       // since the start
  std::size_t young_flows = 0;                  // source: below the minimum age, not part of the lag
  std::size_t waiting_operations = 0;           // replica: received and not in the kernel yet
  std::optional<Instant> last_full_send;        // source: finished
  Reconciling reconciling = Reconciling::idle;  // source
  bool reconcile_due = false;                   // source: one is to begin, what is missing is not in the lag
  Reading reading;                              // source: of the reconcile under way
  std::size_t compare_bytes = 0;                // working memory of the compare under way
  Reconciled last_reconcile;                    // source; the newest that ended
  PeerState peer;
};

class Engine {
 public:
  static constexpr Duration kBetweenNotices = 10s;
  // In every preemption the old source gives way a moment after the new one begins: not worth a word.
  static constexpr Duration kTwoSourcesGrace = 1s;

  // instance: random for every start of the process, not 0.
  Engine(Settings settings, std::uint64_t instance);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // An authenticated association with the peer exists, or is lost. It may be rebuilt; the conversation goes
  // on.
  void on_channel_up(Instant now);
  void on_channel_down(Instant now);
  // One authenticated datagram. Malformed: counted, dropped, without effect.
  void on_frame(Instant now, ByteSpan bytes);

  void on_event(Instant now, const Event& event);  // from the capture, in the kernel's order
  void on_overrun(Instant now);                    // the capture lost events
  // About how many entries the kernel's table has: what a dump that begins is measured by in progress().
  void expect_entries(std::size_t count) { source_.expect_entries(count); }
  // Whether the next piece of the dump may be handed in. Pieces that come nevertheless are taken.
  bool ready_for_dump() const;
  void on_dump(Instant now, std::uint64_t dump, std::span<const ConntrackEntry> entries,
               std::span<const Expectation> expectations);
  void on_dump_end(Instant now, std::uint64_t dump, bool complete);
  void on_applied(Instant now, std::span<const Refusal> refusals);

  // epoch: newer than every one before, own or heard (the failover's business).
  void become_source(Instant now, std::uint64_t epoch);
  void become_replica(Instant now);
  // Takeover: finish what was received; nothing more of the old source is accepted until become_replica.
  void commit(Instant now, std::uint64_t plan);
  void set_group_state(Instant now, const GroupState& group);

  void on_timer(Instant now);
  std::optional<Instant> next_deadline() const;
  std::vector<Output> take_outputs();

  const Counters& counters() const { return counters_; }
  Progress progress() const;
  // The table here is that of a living source, as a compare or a full send has shown.
  bool mirrors_source() const;

 private:
  struct Dump {
    std::uint64_t id = 0;
    DumpPurpose purpose = DumpPurpose::full_send;
    bool cancelled = false;  // what it was for has gone; its end is awaited all the same
  };
  struct Commit {
    std::uint64_t plan = 0;
    bool complete = false;
  };

  void deliver();
  void dispatch(wire::Frame frame, bool across_gap);
  void run_injector();
  void start_dump();
  std::optional<DumpPurpose> dump_due(std::uint64_t id);
  void send_frames();
  std::optional<wire::Message> next_message();
  void report();
  void report_counters();
  Replica::InSync in_sync() const;
  void notice(NoticeKind kind, std::string text);
  void cancel_dump();
  // Not of the replica, which compares too.
  bool of_source(const Dump& dump) const {
    return dump.purpose == DumpPurpose::full_send ||
           (dump.purpose == DumpPurpose::compare && role_ == Role::source);
  }

  Settings settings_;
  Counters counters_;
  Filter filter_;
  Injector injector_;
  Session session_;
  Source source_;
  Replica replica_;
  Settler settler_;

  Instant now_{};
  Role role_ = Role::replica;
  std::uint64_t epoch_ = 0;  // own, as source
  GroupState group_;
  std::optional<Dump> dump_;
  std::uint64_t next_dump_ = 1;
  std::optional<Commit> commit_;
  ByteVector carried_;  // a message that did not fit into the last frame
  FrameLoad carried_load_;
  std::vector<Output> outputs_;
  PeerState reported_peer_;
  bool in_sync_when_heard_ = false;  // replica: at the last moment the peer was alive, since it became one
  bool reported_in_sync_ = false;
  std::optional<Instant> two_sources_since_;
  std::uint64_t reported_full_ = 0;
  std::uint64_t reported_overflows_ = 0;
  std::array<std::optional<Instant>, kNoticeKinds> last_notice_{};
};

}  // namespace ftfw::sync
