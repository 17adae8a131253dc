#include "appliance/replication_thread.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"
#include "appliance/replication_figures.hpp"

namespace ftfw {
namespace {

// At most so many batches of events in one round, so that acknowledgements and timers keep their turn in a
// burst.
constexpr int kBatchesPerRound = 64;
// An Apply takes a millisecond. After so many the channel has its turn: what waits in its socket beyond the
// first retransmission (30 ms) the peer would send again, the whole window of it.
constexpr int kAppliesPerRound = 4;
// The same trouble again is no news for so long.
constexpr Duration kBetweenTroubles = 10s;

}  // namespace

ReplicationThread::ReplicationThread(sync::Settings settings, std::uint64_t instance,
                                     std::vector<ReplicationPeerParts> peers, sync::ConntrackTable table,
                                     sync::CaptureSwitch events, Mailboxes mailboxes, SharedStatus& status,
                                     Liveness& liveness)
    : engine_(settings, instance),
      table_(std::move(table)),
      tables_(table_, settings),
      events_(std::move(events)),
      mailboxes_(mailboxes),
      reports_(mailboxes.reports),
      status_(status),
      liveness_(liveness) {
  for (std::size_t i = 0; i < peers.size(); ++i) {
    peers_.push_back(std::make_unique<ReplicationPeer>(
        i, std::move(peers[i]), [this](std::string text) { trouble(std::move(text)); }));
  }
}

void ReplicationThread::run(const std::stop_token& stop) {
  name_this_thread("ftfw-replicate");
  const std::stop_callback wake(stop, [this] { loop_.wake(); });
  const auto watch = [this](int fd, void (ReplicationThread::*ready)()) {
    const Status watched = loop_.watch(fd, EPOLLIN, [this, ready](std::uint32_t) { (this->*ready)(); });
    if (!watched) trouble(watched.error().text);
  };
  watch(mailboxes_.commands.wake_fd(), &ReplicationThread::obey_commands);
  watch(mailboxes_.captured.wake_fd(), &ReplicationThread::take_captured);
  watch(mailboxes_.reads.wake_fd(), &ReplicationThread::show_cache);
  for (const auto& peer : peers_) {
    sync::LinkSet& links = peer->links();
    const Status watched =
        loop_.watch(links.fd(), EPOLLIN, [&links](std::uint32_t) { links.on_readable(monotonic_now()); });
    if (!watched) trouble(watched.error().text);
    links.start(monotonic_now());
  }
  while (!stop.stop_requested()) {
    loop_.run_once(next_deadline());
    if (more_captured_) take_captured();
    const Instant now = monotonic_now();
    liveness_.beat(ThreadName::replication, now);
    for (const auto& peer : peers_) {
      peer->links().on_timer(now);
      peer->drain(engine_);
    }
    engine_.on_timer(now);
    carry_out_outputs();
    step_tables();
    step_own_dump();
    step_dumps_for_peers();
    reports_.flush();
    if (now >= next_publication_) publish(now);
  }
  for (const auto& peer : peers_) peer->links().close();
}

std::optional<Instant> ReplicationThread::next_deadline() const {
  Instant next = next_publication_;
  for (const std::optional<Instant> deadline :
       {engine_.next_deadline(), tables_.next_deadline(engine_.mirrors_source())}) {
    if (deadline) next = std::min(next, *deadline);
  }
  // A dump under way takes its next piece at once, unless the engine wants to pace it.
  bool at_once = more_captured_ || more_outputs_ || (dump_ && engine_.ready_for_dump(*dump_));
  for (const auto& peer : peers_) {
    if (const auto deadline = peer->links().next_deadline()) next = std::min(next, *deadline);
    at_once |= !tables_.committing() && peer->wants_to_read(engine_);
  }
  return at_once ? monotonic_now() : next;
}

// ---- inputs

void ReplicationThread::obey_commands() {
  mailboxes_.commands.clear_wakeups();
  while (const auto command = mailboxes_.commands.take()) {
    take_captured();  // most of what was captured before the order goes before it
    const Instant now = monotonic_now();
    std::visit(
        [this, now](const auto& what) {
          using Command = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<Command, BecomeSource>) {
            engine_.become_source(now, what.epoch);
            tables_.become_source(now);
            source_ = true;
          } else if constexpr (std::is_same_v<Command, BecomeReplica>) {
            engine_.become_replica(now);
            tables_.become_replica(now);
            source_ = false;
          } else if constexpr (std::is_same_v<Command, Commit>) {
            engine_.commit(now, what.plan);
          } else {
            static_assert(std::is_same_v<Command, sync::GroupState>);
            engine_.set_group_state(now, what);
          }
        },
        *command);
    carry_out_outputs();
  }
}

void ReplicationThread::take_captured() {
  mailboxes_.captured.clear_wakeups();
  const Instant now = monotonic_now();
  more_captured_ = false;
  for (int count = 0; count < kBatchesPerRound; ++count) {
    const auto batch = mailboxes_.captured.take();
    if (!batch) return;
    if (batch->overrun) engine_.on_overrun(now);
    for (const sync::Event& event : batch->events) engine_.on_event(now, event);
  }
  more_captured_ = true;  // perhaps; and the mailbox wakes for new ones only
}

// ---- outputs

void ReplicationThread::carry_out_outputs() {
  int applies = 0;
  more_outputs_ = false;
  for (std::vector<sync::Output> outputs = engine_.take_outputs(); !outputs.empty();
       outputs = engine_.take_outputs()) {
    for (sync::Output& output : outputs) {
      applies += std::holds_alternative<sync::Apply>(output) ? 1 : 0;
      carry_out(output);
    }
    if (applies < kAppliesPerRound) continue;
    more_outputs_ = true;
    return;
  }
}

void ReplicationThread::carry_out(sync::Output& output) {
  std::visit(
      [this](auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, sync::SendFrame>) {
          peers_[what.peer]->send(what.bytes);
        } else if constexpr (std::is_same_v<What, sync::StartDump>) {
          if (what.reader == 0) {
            begin_dump(what);
          } else {
            peers_[what.reader - 1]->begin_dump(engine_, what.dump);
          }
        } else if constexpr (std::is_same_v<What, sync::Apply>) {
          apply(what.operations);
        } else if constexpr (std::is_same_v<What, sync::CommitFinished>) {
          tables_.commit(monotonic_now(), what);
        } else if constexpr (std::is_same_v<What, sync::PeerSpoke> || std::is_same_v<What, sync::Drained>) {
          return;  // nobody asked
        } else {
          if constexpr (std::is_same_v<What, sync::PeerChanged>) {
            peers_[what.index]->on_changed(what.peer);
          }
          reports_.post(std::move(what));
        }
      },
      output);
}

void ReplicationThread::apply(const std::vector<sync::Operation>& operations) {
  auto refusals = tables_.apply(operations);
  if (!refusals) {
    trouble("conntrack table: " + refusals.error().text);
    // Nothing is known about any of them.
    refusals.emplace();
    for (const sync::Operation& operation : operations) {
      refusals->push_back({.id = operation.id, .error = sync::kResultUnknown});
    }
  }
  engine_.on_applied(monotonic_now(), *refusals);
}

void ReplicationThread::begin_dump(const sync::StartDump& start) {
  dump_ = start.dump;
  if (const Status begun = tables_.begin_dump(start.purpose); !begun) {
    trouble("conntrack dump: " + begun.error().text);
    end_dump(false);
  }
}

// One piece a round, so that the channel and the events keep their turn.
void ReplicationThread::step_own_dump() {
  if (!dump_ || !engine_.ready_for_dump(*dump_)) return;
  const auto piece = tables_.next_dump_piece();
  if (!piece) {
    trouble("conntrack dump: " + piece.error().text);
    end_dump(false);
    return;
  }
  engine_.on_dump(monotonic_now(), *dump_, piece->entries, piece->expectations);
  switch (piece->progress) {
    case sync::DumpPiece::Progress::more:
      break;
    case sync::DumpPiece::Progress::finished:
      end_dump(true);
      return;
    case sync::DumpPiece::Progress::interrupted:
      end_dump(false);
      return;
  }
  carry_out_outputs();
}

// Every peer's pass has its own reader and its own pace. While what was received is still being committed the
// table is not whole.
void ReplicationThread::step_dumps_for_peers() {
  if (tables_.committing()) return;
  for (const auto& peer : peers_) {
    if (!peer->wants_to_read(engine_)) continue;
    peer->step_dump(engine_);
    carry_out_outputs();
  }
}

// Of a replica nobody wants events. A source reads its table after this, so it sees what came before.
void ReplicationThread::listen_as_source() {
  if (const Status changed = events_.listen(source_ && !tables_.committing()); !changed)
    trouble(changed.error().text);
}

// A batch of a commit, or a piece of what is cleaned up, a round.
void ReplicationThread::step_tables() {
  tables_.step(monotonic_now(), engine_.mirrors_source());
  for (std::string& text : tables_.take_troubles()) trouble(std::move(text));
  if (auto finished = tables_.take_finished()) reports_.post(*finished);
  listen_as_source();
}

void ReplicationThread::end_dump(bool complete) {
  engine_.on_dump_end(monotonic_now(), *std::exchange(dump_, std::nullopt), complete);
  carry_out_outputs();
}

void ReplicationThread::trouble(std::string text) {
  const Instant now = monotonic_now();
  if (text == last_trouble_ && now - last_trouble_at_ < kBetweenTroubles) return;
  last_trouble_ = text;
  last_trouble_at_ = now;
  reports_.post(Trouble{std::move(text)});
}

// Once a second, while a pass over the table takes longer than that.
void ReplicationThread::tell_progress(const std::string& peer, const ConversationStatus& conversation) {
  const auto& progress = conversation.progress;
  if (progress && progress->elapsed > kBeatInterval)
    reports_.post(Remark{fmt::format("{}: {}", peer, to_text(*progress, false))});
}

void ReplicationThread::publish(Instant now) {
  next_publication_ = now + kBeatInterval;
  const sync::Progress progress = engine_.progress();
  const sync::Counters counters = engine_.counters();
  std::vector<ConversationStatus> conversations;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    peers_[i]->tell_links(now);
    conversations.push_back(
        conversation_of(progress, i, counters, engine_.counters(i), now, std::chrono::system_clock::now()));
    tell_progress(peers_[i]->name(), conversations[i]);
  }
  const std::uint64_t refused = counters.reply_clash + counters.table_full + counters.expectation_refused +
                                counters.other_refusals + counters.incomplete;
  status_.with([&](StatusBoard& board) {
    board.replication.source = progress.role == sync::Role::source;
    board.replication.in_sync = progress.in_sync;
    board.replication.in_sync_reason = progress.reason;
    board.replication.figures = {{"entries", progress.index_entries},
                                 {"bytes", progress.index_bytes + tables_.bytes()},
                                 {"committed", tables_.counters().commit.created},
                                 {"waiting", progress.waiting_operations},
                                 {"messages received", counters.messages_received},
                                 {"refused by the kernel", refused},
                                 {"stale epoch", counters.stale_epoch},
                                 {"second source", counters.second_source},
                                 {"compares received", counters.compares_received},
                                 {"overruns", counters.overruns},
                                 {"swept", counters.swept}};
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      ReplicationPeerStatus& peer = board.replication.peers[i];
      peers_[i]->publish(engine_, progress.peers[i], peer);
      peer.conversation = std::move(conversations[i]);
    }
  });
}

}  // namespace ftfw
