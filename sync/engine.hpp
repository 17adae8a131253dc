// The replication engine of one node: (now, input) -> outputs. Pure: no clock, socket, thread or log. One
// thread calls it, handing in what happened, and then takes the outputs; nothing is decided in between, so
// inputs may be batched. It holds one conversation with every other node (peer.hpp), and one table: a source
// sends to every peer at that peer's speed, a replica obeys one source, that of the newest epoch among all
// peers, and never sends flows; a source obeys nobody. It starts as replica. Contract, protocol and
// invariants: README.md. Peers are named by their place in Settings::peers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sync/compare_turn.hpp"
#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/injector.hpp"
#include "sync/output.hpp"
#include "sync/peer.hpp"
#include "sync/replica.hpp"
#include "sync/settings.hpp"
#include "sync/settler.hpp"

namespace ftfw::sync {

// How far the conversation with one peer is; for status.
struct PeerProgress {
  PeerState peer;
  Duration uptime{};  // of its process
  std::size_t unacknowledged_frames = 0;
  std::size_t pending_events = 0;               // source: not sent yet
  std::size_t pending_full_send = 0;            // source: dumped and not sent yet
  std::size_t lag_entries = 0;                  // source: reported or dumped, and not acknowledged
  std::optional<Instant> lag_since;             // source: when the oldest event of them was reported
  std::uint64_t acknowledged_entries = 0;       // since the start
  std::size_t young_flows = 0;                  // source: below the minimum age, not part of the lag
  std::optional<Instant> last_full_send;        // source: finished
  Reconciling reconciling = Reconciling::idle;  // source
  bool reconcile_due = false;                   // source: one is to begin, what is missing is not in the lag
  Reading reading;                              // source: of the reconcile under way
  std::size_t compare_bytes = 0;                // source: working memory of the compare under way
  Reconciled last_reconcile;                    // source; the newest that ended
};

// How far this node is.
struct Progress {
  Role role = Role::replica;
  std::uint64_t epoch = 0;  // own as source, obeyed as replica
  bool in_sync = false;
  std::string reason;             // for in_sync
  std::size_t index_entries = 0;  // replica: entries known to be in the kernel
  std::size_t index_bytes = 0;
  std::size_t waiting_operations = 0;  // replica: received and not in the kernel yet
  std::size_t compare_bytes = 0;       // working memory of the compares under way, all together
  std::optional<std::size_t> source;   // replica: the living peer that it obeys
  std::vector<PeerProgress> peers;
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

  // An authenticated association with that peer exists, or is lost. It may be rebuilt; the conversation goes
  // on.
  void on_channel_up(Instant now, std::size_t peer);
  void on_channel_down(Instant now, std::size_t peer);
  // One authenticated datagram of that peer. Malformed: counted, dropped, without effect.
  void on_frame(Instant now, std::size_t peer, ByteSpan bytes);

  void on_event(Instant now, const Event& event);  // from the capture, in the kernel's order
  void on_overrun(Instant now);                    // the capture lost events
  // About how many entries the kernel's table has: what a dump for that peer that begins is measured by in
  // progress().
  void expect_entries(std::size_t peer, std::size_t count) { peers_[peer]->source.expect_entries(count); }
  // Whether the next piece of that dump may be handed in. Pieces that come nevertheless are taken.
  bool ready_for_dump(std::uint64_t dump) const;
  void on_dump(Instant now, std::uint64_t dump, std::span<const ConntrackEntry> entries,
               std::span<const Expectation> expectations);
  void on_dump_end(Instant now, std::uint64_t dump, bool complete);
  void on_applied(Instant now, std::span<const Refusal> refusals);

  // epoch: newer than every one before, own or heard (the failover's business).
  void become_source(Instant now, std::uint64_t epoch);
  void become_replica(Instant now);
  // Takeover: finish what was received; nothing more of the old source is accepted until become_replica.
  void commit(Instant now, std::uint64_t plan);
  // Ours: said at once, and again every 100 ms, as primary every Settings::primary_beat.
  void set_group_state(Instant now, const GroupState& group);
  // Beside it, to that peer, until it is replaced or taken back.
  void set_group_message(Instant now, std::size_t peer, const std::optional<GroupMessage>& message);
  // As source: Drained once that peer, in sync, has acknowledged everything that was reported until now. A
  // newer drain or a change of role replaces one that was not answered yet.
  void drain(Instant now, std::size_t peer, std::uint64_t plan);

  void on_timer(Instant now);
  std::optional<Instant> next_deadline() const;
  std::vector<Output> take_outputs();

  Counters counters() const;  // of everything
  // Of the conversation with that peer.
  const Counters& counters(std::size_t peer) const { return peers_[peer]->counters; }
  Progress progress() const;
  // The table here is that of a living source, as a compare or a full send has shown.
  bool mirrors_source() const;

 private:
  struct Dump {
    std::uint64_t id = 0;
    std::size_t reader = 0;
    DumpPurpose purpose = DumpPurpose::full_send;
    bool cancelled = false;  // what it was for has gone; its end is awaited all the same
  };
  struct Commit {
    std::uint64_t plan = 0;
    bool complete = false;
  };
  struct Drain {
    std::uint64_t plan = 0;
    std::size_t peer = 0;
    Instant mark;
  };

  void follow_source();
  std::optional<std::size_t> newest_source(bool living) const;
  std::optional<std::size_t> source() const;
  void deliver();
  void dispatch(Peer& from, wire::Frame frame, bool across_gap);
  void run_injector();
  void start_own_dump();
  void start_dumps_for_peers();
  void start_dump(std::size_t reader, DumpPurpose purpose);
  void send_frames(Peer& peer);
  std::optional<wire::Message> next_message(Peer& peer);
  void report();
  void report_drained();
  void report_two_sources(Peer& peer);
  void report_counters();
  Replica::InSync in_sync() const;
  bool informed() const;
  void notice(NoticeKind kind, std::string text, Peer* peer = nullptr);
  Dump* find_dump(std::uint64_t id);
  void cancel_dump(std::size_t reader);
  void cancel_dumps();
  void on_source_left();

  static constexpr std::size_t kOwnReader = 0;

  Settings settings_;
  Counters counters_;  // but for those of the peers
  Filter filter_;
  Injector injector_;
  Replica replica_;
  Settler settler_;
  std::vector<std::unique_ptr<Peer>> peers_;
  CompareTurn turn_;

  Instant now_{};
  Role role_ = Role::replica;
  std::uint64_t epoch_ = 0;  // own, as source
  GroupState group_;
  std::vector<std::optional<Dump>> dumps_;  // by reader
  std::uint64_t next_dump_ = 1;
  std::optional<Commit> commit_;
  std::optional<Drain> drain_;
  std::vector<Output> outputs_;
  bool in_sync_when_heard_ = false;  // replica: at the last moment it knew of all, since it became one
  bool reported_in_sync_ = false;
  std::uint64_t reported_full_ = 0;
  std::optional<Instant> last_notice_;  // of this node itself: the full table
};

}  // namespace ftfw::sync
