#include "appliance/replication_thread.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"
#include "appliance/replication_figures.hpp"
#include "sync/linux/kernel_facts.hpp"

namespace ftfw {
namespace {

// At most so many batches of events in one round, so that acknowledgements and timers keep their turn in a
// burst.
constexpr int kBatchesPerRound = 64;
// The same trouble again is no news for so long.
constexpr Duration kBetweenTroubles = 10s;
// A link whose interface is well may take so long to find the living peer.
constexpr Duration kLinkSearch = 3s;

std::string_view text_of(sync::HandshakeFailure reason) {
  switch (reason) {
    case sync::HandshakeFailure::no_answer:
      return "";  // a peer that is down is told by PeerChanged
    case sync::HandshakeFailure::key_differs:
      return "the peer's replication key differs (compare the key files)";
    case sync::HandshakeFailure::own_name:
      return "somebody on the dedicated link claims to be this node";
    case sync::HandshakeFailure::other_name:
      return "a node with an unknown name answers on the dedicated link";
    case sync::HandshakeFailure::broken:
      return "what answers on the dedicated link is not a handshake of ours";
  }
  return "";
}

ReplicationLinkStatus shown(const sync::LinkStatus& link) {
  return {.interface = link.interface,
          .condition = std::string(sync::name_of(link.condition)),
          .carries = link.carries,
          .cipher = link.cipher,
          .key = link.cipher.empty() ? "" : (link.next_key ? "key_file_next" : "key_file"),
          .delivered_percent = static_cast<unsigned>(link.delivered * 100 / sync::LinkHealth::kWindow),
          .trouble = link.trouble,
          .counters = {{"sent", link.counters.datagrams_sent},
                       {"received", link.counters.datagrams_received},
                       {"send failures", link.counters.send_failures},
                       {"from strangers", link.counters.foreign},
                       {"malformed", link.counters.malformed},
                       {"not authentic", link.counters.not_accepted},
                       {"unexpected", link.counters.unexpected},
                       {"other key", link.counters.other_key_refused},
                       {"other name", link.counters.other_name_refused},
                       {"own name", link.counters.own_name_refused}}};
}

}  // namespace

ReplicationThread::ReplicationThread(sync::Settings settings, std::uint64_t instance,
                                     std::unique_ptr<sync::LinkSet> links, sync::ConntrackTable table,
                                     sync::CaptureSwitch events, Mailboxes mailboxes, SharedStatus& status,
                                     Liveness& liveness)
    : engine_(settings, instance),
      links_(std::move(links)),
      table_(std::move(table)),
      tables_(table_, settings),
      events_(std::move(events)),
      mailboxes_(mailboxes),
      reports_(mailboxes.reports),
      status_(status),
      liveness_(liveness) {}

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
  const Status watched =
      loop_.watch(links_->fd(), EPOLLIN, [this](std::uint32_t) { links_->on_readable(monotonic_now()); });
  if (!watched) trouble(watched.error().text);
  links_->start(monotonic_now());
  while (!stop.stop_requested()) {
    loop_.run_once(next_deadline());
    if (more_captured_) take_captured();
    const Instant now = monotonic_now();
    liveness_.beat(ThreadName::replication, now);
    links_->on_timer(now);
    drain_channel();
    engine_.on_timer(now);
    carry_out_outputs();
    step_tables();
    step_dump();
    reports_.flush();
    if (now >= next_publication_) publish(now);
  }
  links_->close();
}

std::optional<Instant> ReplicationThread::next_deadline() const {
  Instant next = next_publication_;
  for (const std::optional<Instant> deadline :
       {links_->next_deadline(), engine_.next_deadline(), tables_.next_deadline(engine_.mirrors_source())}) {
    if (deadline) next = std::min(next, *deadline);
  }
  // A dump under way takes its next piece at once, unless the engine wants to pace it.
  if (more_captured_ || (dump_ && engine_.ready_for_dump())) next = monotonic_now();
  return next;
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

void ReplicationThread::drain_channel() {
  for (sync::ChannelOutput& output : links_->take_outputs()) {
    const Instant now = monotonic_now();
    std::visit(
        [this, now](const auto& what) {
          using What = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<What, sync::AssociationUp>) {
            told_failure_.reset();
            engine_.on_channel_up(now);
          } else if constexpr (std::is_same_v<What, sync::AssociationDown>) {
            if (what.reason != sync::DownReason::replaced) engine_.on_channel_down(now);
          } else if constexpr (std::is_same_v<What, sync::Received>) {
            engine_.on_frame(now, what.bytes);
          } else {
            static_assert(std::is_same_v<What, sync::HandshakeFailed>);
            const std::string_view text = text_of(what.reason);
            if (!text.empty() && told_failure_ != what.reason) trouble(std::string(text));
            told_failure_ = what.reason;
          }
        },
        output);
  }
}

// ---- outputs

void ReplicationThread::carry_out_outputs() {
  for (std::vector<sync::Output> outputs = engine_.take_outputs(); !outputs.empty();
       outputs = engine_.take_outputs()) {
    for (sync::Output& output : outputs) carry_out(output);
  }
}

void ReplicationThread::carry_out(sync::Output& output) {
  std::visit(
      [this](auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, sync::SendFrame>) {
          // A frame that the channel does not take now is a loss like any other: the session sends it again.
          [[maybe_unused]] const Status sent = links_->send(what.bytes);
        } else if constexpr (std::is_same_v<What, sync::StartDump>) {
          begin_dump(what);
        } else if constexpr (std::is_same_v<What, sync::Apply>) {
          apply(what.operations);
        } else if constexpr (std::is_same_v<What, sync::CommitFinished>) {
          tables_.commit(monotonic_now(), what);
        } else {
          if constexpr (std::is_same_v<What, sync::PeerChanged>) {
            if (std::exchange(peer_alive_, what.peer.alive) && !what.peer.alive)
              links_->lost(monotonic_now());
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
  // What progress is measured by; without it by the last pass.
  if (const auto count = sync::read_conntrack_count()) engine_.expect_entries(*count);
  if (const Status begun = tables_.begin_dump(start.purpose); !begun) {
    trouble("conntrack dump: " + begun.error().text);
    end_dump(false);
  }
}

// One piece a round, so that the channel and the events keep their turn.
void ReplicationThread::step_dump() {
  if (!dump_ || !engine_.ready_for_dump()) return;
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

// Once per episode, and again when the interface comes to something else. That the peer is silent on every
// link is told as the peer's loss.
void ReplicationThread::tell_links(Instant now, const std::vector<sync::LinkStatus>& links) {
  link_troubles_.resize(links.size());
  for (std::size_t i = 0; i < links.size(); ++i) {
    const sync::LinkStatus& link = links[i];
    LinkTrouble& known = link_troubles_[i];
    if (link.condition == sync::LinkCondition::sound) {
      known = {};
      continue;
    }
    if (!known.since) known.since = now;
    const bool interface_fails = link.condition <= sync::LinkCondition::no_carrier;
    const bool only_this = peer_alive_ && now - *known.since >= kLinkSearch;
    const bool news = !known.told || (interface_fails && known.told != link.condition);
    if (!news || !(interface_fails || only_this)) continue;
    known.told = link.condition;
    trouble(fmt::format("dedicated link {}: {}{}", link.interface, sync::name_of(link.condition),
                        link.trouble.empty() ? "" : " (" + link.trouble + ")"));
  }
}

// Once a second, while a pass over the table takes longer than that.
void ReplicationThread::tell_progress(const std::optional<ProgressStatus>& progress) {
  if (progress && progress->elapsed > kBeatInterval) reports_.post(Remark{to_text(*progress, false)});
}

void ReplicationThread::publish(Instant now) {
  next_publication_ = now + kBeatInterval;
  const sync::Progress progress = engine_.progress();
  const sync::Counters& counters = engine_.counters();
  const sync::ChannelCounters channel = links_->counters();
  const std::vector<sync::LinkStatus> links = links_->links();
  tell_links(now, links);
  const ConversationStatus conversation =
      conversation_of(progress, counters, now, std::chrono::system_clock::now());
  tell_progress(conversation.progress);
  const std::uint64_t refused = counters.reply_clash + counters.table_full + counters.expectation_refused +
                                counters.other_refusals + counters.incomplete;
  status_.with([&](StatusBoard& board) {
    board.replication.source = progress.role == sync::Role::source;
    board.replication.in_sync = progress.in_sync;
    board.replication.in_sync_reason = progress.reason;
    ReplicationPeerStatus& peer = board.replication.peers.front();
    peer.links.clear();
    for (const sync::LinkStatus& link : links) peer.links.push_back(shown(link));
    peer.conversation = conversation;
    board.replication.figures = {{"entries", progress.index_entries},
                                 {"bytes", progress.index_bytes + tables_.bytes()},
                                 {"committed", tables_.counters().commit.created},
                                 {"waiting", progress.waiting_operations},
                                 {"refused by the kernel", refused},
                                 {"overruns", counters.overruns},
                                 {"swept", counters.swept}};
    peer.figures = {{"unacknowledged", progress.unacknowledged_frames},
                    {"waiting", progress.pending_events + progress.pending_full_send},
                    {"entries sent", counters.entries_sent + counters.destroys_sent},
                    {"messages received", counters.messages_received},
                    {"frames resent", counters.frames_resent},
                    {"stale epoch", counters.stale_epoch},
                    {"malformed", counters.frames_malformed + channel.malformed},
                    {"not authentic", channel.not_accepted + channel.foreign},
                    {"hellos answered", channel.hellos_answered},
                    {"hellos not answered", channel.hellos_limited},
                    {"handshakes failed", channel.handshakes_failed},
                    {"full sends", counters.full_sends_finished},
                    {"compares", counters.compares_finished + counters.compares_received},
                    {"ranges differing", counters.ranges_differing},
                    {"entries repaired", counters.entries_repaired}};
  });
}

}  // namespace ftfw
