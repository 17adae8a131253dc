#include "sync/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace ftfw::sync {
namespace {

std::uint32_t parked_seconds(Duration timeout) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 1, kLongestTimeout));
}

// A flow or an expectation, or the end of one.
FrameLoad load_of(const wire::Message& message, std::optional<Instant> reported) {
  const bool entry = std::holds_alternative<wire::Entry>(message) ||
                     std::holds_alternative<wire::Destroyed>(message) ||
                     std::holds_alternative<wire::Expected>(message) ||
                     std::holds_alternative<wire::ExpectedDestroyed>(message);
  return entry ? FrameLoad{.entries = 1, .oldest = reported} : FrameLoad();
}

// What this peer is behind: in flight, carried, waiting.
FrameLoad lag_of(const Peer& peer) {
  FrameLoad lag = peer.session.unacknowledged_load();
  lag.add(peer.carried_load);
  lag.add({.entries = peer.source.pending_events() + peer.source.pending_full_send(),
           .oldest = peer.source.oldest_waiting()});
  return lag;
}

}  // namespace

Engine::Engine(Settings settings, std::uint64_t instance)
    : settings_(std::move(settings)),
      filter_(settings_),
      injector_(parked_seconds(settings_.parked_timeout), settings_.cache, counters_),
      replica_(settings_, filter_, injector_, counters_),
      settler_(settings_, filter_, injector_),
      dumps_(1 + settings_.peers.size()) {
  for (std::size_t i = 0; i < settings_.peers.size(); ++i)
    peers_.push_back(std::make_unique<Peer>(settings_, i, filter_, instance));
  replica_.start({});
}

// ---- the peers

void Engine::on_channel_up(Instant now, std::size_t peer) {
  now_ = now;
  peers_[peer]->session.set_channel(now, true);
}

void Engine::on_channel_down(Instant now, std::size_t peer) {
  now_ = now;
  peers_[peer]->session.set_channel(now, false);
}

void Engine::on_frame(Instant now, std::size_t from, ByteSpan bytes) {
  now_ = now;
  Peer& peer = *peers_[from];
  const std::uint64_t former = peer.conversation();
  const Session::Received received = peer.session.on_frame(now, bytes);
  if (!received.error.empty()) {
    notice(NoticeKind::malformed_frame,
           fmt::format("{} sent a malformed frame: {}", peer.name, received.error), &peer);
  }
  switch (received.refusal) {
    case Handshake::Refusal::none:
      break;
    case Handshake::Refusal::reflected:
      notice(NoticeKind::reflected_hello,
             fmt::format("a hello in our own name \"{}\" arrived: is {} configured as this node?",
                         settings_.node, peer.name),
             &peer);
      break;
    case Handshake::Refusal::wrong_name:
      notice(NoticeKind::wrong_peer,
             fmt::format("a node that is not \"{}\" speaks to us from its address", peer.name), &peer);
      break;
    case Handshake::Refusal::no_common_version:
      notice(NoticeKind::no_common_version,
             fmt::format("{} speaks no version of the replication protocol that we do", peer.name), &peer);
      break;
  }
  const PeerState& said = peer.session.peer();
  if (received.stated && (said.group.role == GroupRole::primary || said != peer.reported))
    outputs_.emplace_back(PeerSpoke{.index = from, .peer = said, .heard = now});
  if (!received.new_session) return;
  peer.drop_carried();
  peer.source.on_new_session(now);
  cancel_dump(1 + from);
  if (replica_.source() != former) return;
  replica_.on_new_session();
  on_source_left();
}

// What was read to be held against its table is of no use any more.
void Engine::on_source_left() {
  const std::optional<Dump>& own = dumps_[kOwnReader];
  if (own && (own->purpose == DumpPurpose::compare || own->purpose == DumpPurpose::sweep))
    cancel_dump(kOwnReader);
}

// Of the sources that are not older than what was obeyed before, the newest; of two with one epoch that which
// is obeyed already, else the first of the configuration.
std::optional<std::size_t> Engine::newest_source(bool living) const {
  std::optional<std::size_t> best;
  for (const auto& peer : peers_) {
    const PeerState& state = peer->session.peer();
    if ((living && !state.alive) || state.role != Role::source || state.source_epoch < replica_.epoch())
      continue;
    const std::uint64_t newest = best ? peers_[*best]->session.peer().source_epoch : 0;
    const bool obeyed = replica_.source() == peer->conversation();
    if (!best || state.source_epoch > newest || (state.source_epoch == newest && obeyed)) best = peer->index;
  }
  return best;
}

std::optional<std::size_t> Engine::source() const {
  return role_ == Role::source ? std::nullopt : newest_source(true);
}

// A new source is believed by its state already: what an older one still says must not get in before the new
// one's first message. The epoch of the one that is obeyed moves with its own messages, in their order.
void Engine::follow_source() {
  const auto newest = source();
  if (!newest || replica_.sealed()) return;
  const Peer& peer = *peers_[*newest];
  if (replica_.source() == peer.conversation()) return;
  replica_.forget_source();
  replica_.follow(peer.conversation(), peer.session.peer().source_epoch);
  on_source_left();
}

// ---- the kernel

void Engine::on_event(Instant now, const Event& event) {
  now_ = now;
  for (const auto& peer : peers_) peer->source.on_event(now, event);
}

void Engine::on_overrun(Instant now) {
  now_ = now;
  for (const auto& peer : peers_) peer->source.on_overrun(now);
}

Engine::Dump* Engine::find_dump(std::uint64_t id) {
  for (auto& dump : dumps_) {
    if (dump && dump->id == id) return &*dump;
  }
  return nullptr;
}

bool Engine::ready_for_dump(std::uint64_t id) const {
  for (std::size_t reader = 0; reader < dumps_.size(); ++reader) {
    const std::optional<Dump>& dump = dumps_[reader];
    if (!dump || dump->id != id) continue;
    if (dump->cancelled) return true;
    if (reader != kOwnReader) {
      const Source& source = peers_[reader - 1]->source;
      return !source.wants_dump(id) || source.has_room(now_);
    }
    if (dump->purpose == DumpPurpose::settle) return injector_.has_room();
    return replica_.has_room_for_dump(dump->purpose, now_);
  }
  return true;
}

void Engine::on_dump(Instant now, std::uint64_t id, std::span<const ConntrackEntry> entries,
                     std::span<const Expectation> expectations) {
  now_ = now;
  const Dump* dump = find_dump(id);
  if (dump == nullptr || dump->cancelled) return;
  if (dump->reader != kOwnReader) {
    Source& source = peers_[dump->reader - 1]->source;
    if (source.wants_dump(id)) source.on_dump(now, entries, expectations);
  } else if (dump->purpose == DumpPurpose::settle) {
    settler_.on_dump(entries);
  } else {
    replica_.on_dump(dump->purpose, entries, expectations);
  }
}

void Engine::on_dump_end(Instant now, std::uint64_t id, bool complete) {
  now_ = now;
  const Dump* dump = find_dump(id);
  if (dump == nullptr) return;
  const Dump ended = *dump;
  dumps_[ended.reader].reset();
  if (ended.cancelled) return;
  if (ended.reader != kOwnReader) {
    Source& source = peers_[ended.reader - 1]->source;
    if (source.wants_dump(id)) source.on_dump_end(now, complete);
  } else if (ended.purpose == DumpPurpose::settle) {
    settler_.on_dump_end(now, complete);
  } else {
    replica_.on_dump_end(now, ended.purpose, complete);
  }
}

void Engine::on_applied(Instant now, std::span<const Refusal> refusals) {
  now_ = now;
  injector_.on_applied(now, refusals);
}

// ---- roles

void Engine::become_source(Instant now, std::uint64_t epoch) {
  now_ = now;
  role_ = Role::source;
  epoch_ = epoch;
  replica_.seal();
  replica_.raise_epoch(epoch);
  injector_.only_fill_holes();
  cancel_dumps();
  for (const auto& peer : peers_) {
    peer->drop_carried();
    peer->source.start(now);
  }
  settler_.start(now);
}

void Engine::become_replica(Instant now) {
  now_ = now;
  if (role_ == Role::replica && !replica_.sealed()) return;
  role_ = Role::replica;
  commit_.reset();
  drain_.reset();
  settler_.stop();
  injector_.clear();
  cancel_dumps();
  for (const auto& peer : peers_) {
    peer->drop_carried();
    peer->source.stop();
  }
  in_sync_when_heard_ = false;
  replica_.start(now);
}

void Engine::commit(Instant now, std::uint64_t plan) {
  now_ = now;
  if (role_ == Role::source || replica_.sealed()) {
    commit_ = Commit{.plan = plan, .complete = commit_ ? commit_->complete : true};
    return;
  }
  // A source that fell silent in the middle of its first full send left half a table.
  bool complete = true;
  if (const auto last = newest_source(false)) {
    PeerState state = peers_[*last]->session.peer();
    state.alive = true;
    complete = replica_.in_sync(state, peers_[*last]->conversation()).in_sync;
  }
  for (const auto& peer : peers_) {
    while (auto frame = peer->session.take()) dispatch(*peer, std::move(*frame), false);
    if (replica_.source() == peer->conversation() && peer->session.has_gap()) complete = false;
    // What lies behind the gap is newer than what is in the kernel, and the sender is not going to fill it.
    while (auto frame = peer->session.take_across_gaps()) dispatch(*peer, std::move(*frame), true);
  }
  replica_.seal();
  cancel_dumps();
  commit_ = Commit{.plan = plan, .complete = complete};
}

void Engine::set_group_state(Instant now, const GroupState& group) {
  now_ = now;
  group_ = group;
}

void Engine::set_group_message(Instant now, std::size_t peer, const std::optional<GroupMessage>& message) {
  now_ = now;
  peers_[peer]->message = message;
}

void Engine::drain(Instant now, std::size_t peer, std::uint64_t plan) {
  now_ = now;
  drain_ = Drain{.plan = plan, .peer = peer, .mark = now};
}

void Engine::on_timer(Instant now) {
  now_ = now;
}

void Engine::cancel_dump(std::size_t reader) {
  if (dumps_[reader]) dumps_[reader]->cancelled = true;
}

void Engine::cancel_dumps() {
  for (std::size_t reader = 0; reader < dumps_.size(); ++reader) cancel_dump(reader);
}

// ---- work

std::vector<Output> Engine::take_outputs() {
  follow_source();
  deliver();
  run_injector();
  start_own_dump();
  // A dump may first want a mark reached, and nothing may stand before it.
  if (!dumps_[kOwnReader] && injector_.waiting() != 0) {
    run_injector();
    start_own_dump();
  }
  start_dumps_for_peers();
  const Replica::InSync sync = in_sync();
  const wire::State state{.role = role_,
                          .in_sync = sync.in_sync,
                          .source_epoch = role_ == Role::source ? epoch_ : replica_.epoch(),
                          .hears_source = source().has_value(),
                          .group = group_,
                          .table = role_ == Role::source ? TableState{} : replica_.table_state(now_)};
  const Duration beat =
      group_.role == GroupRole::primary ? std::min(settings_.primary_beat, kStateInterval) : kStateInterval;
  for (const auto& peer : peers_) {
    peer->session.set_state(state, peer->message, beat);
    peer->session.run(now_);
    send_frames(*peer);
    for (ByteVector& bytes : std::exchange(peer->session.outgoing(), {}))
      outputs_.emplace_back(SendFrame{.peer = peer->index, .bytes = std::move(bytes)});
  }
  report();
  return std::exchange(outputs_, {});
}

void Engine::deliver() {
  for (const auto& peer : peers_) {
    while (replica_.has_room()) {
      auto frame = peer->session.take();
      if (!frame) break;
      dispatch(*peer, std::move(*frame), false);
    }
  }
}

void Engine::dispatch(Peer& from, wire::Frame frame, bool across_gap) {
  for (wire::Message& message : frame.messages) {
    if (const auto* request = std::get_if<wire::FullSendRequest>(&message)) {
      from.source.on_full_send_request(now_, request->restart);
    } else if (std::holds_alternative<wire::CompareReady>(message) ||
               std::holds_alternative<wire::RangesWanted>(message)) {
      from.source.on_message(now_, message);
    } else if (!std::holds_alternative<wire::Hello>(message) &&
               !std::holds_alternative<wire::State>(message)) {
      const auto former = replica_.source();
      replica_.on_message(frame.header.epoch, from.conversation(), std::move(message), across_gap);
      if (replica_.source() != former) on_source_left();
    }
  }
}

void Engine::run_injector() {
  std::vector<Mark> reached;
  if (auto batch = injector_.next(now_, reached)) outputs_.emplace_back(Apply{std::move(*batch)});
  for (const Mark& mark : reached) replica_.on_mark(mark);
  if (commit_ && injector_.idle()) {
    outputs_.emplace_back(CommitFinished{.plan = commit_->plan, .complete = commit_->complete});
    commit_.reset();
  }
}

void Engine::start_dump(std::size_t reader, DumpPurpose purpose) {
  dumps_[reader] = Dump{.id = next_dump_, .reader = reader, .purpose = purpose};
  outputs_.emplace_back(StartDump{.dump = next_dump_++, .reader = reader, .purpose = purpose});
}

void Engine::start_own_dump() {
  if (dumps_[kOwnReader]) return;
  if (role_ == Role::replica) {
    if (const auto purpose = replica_.dump_due(now_)) start_dump(kOwnReader, *purpose);
  } else if (settler_.due(now_)) {
    start_dump(kOwnReader, DumpPurpose::settle);
  }
}

void Engine::start_dumps_for_peers() {
  if (role_ != Role::source) return;
  turn_.settle(peers_, now_);
  const std::size_t first = turn_.first();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = *peers_[(first + i) % peers_.size()];
    peer.source.on_peer(peer.session.peer_table(),
                        (peer.session.peer_features() & wire::kFeatureDigests) != 0);
    if (dumps_[1 + peer.index] || !peer.session.can_send()) continue;
    const auto purpose = peer.source.begin_when_due(now_, next_dump_, turn_.free(peers_));
    if (!purpose) continue;
    start_dump(1 + peer.index, *purpose);
    if (*purpose == DumpPurpose::compare) turn_.taken(peer.index, peers_.size());
  }
}

std::optional<wire::Message> Engine::next_message(Peer& peer) {
  if (role_ == Role::source) return peer.source.next(now_);
  const auto obeyed = source();
  if (obeyed && *obeyed != peer.index) return std::nullopt;
  return replica_.request_due(now_, peer.session.peer(), peer.conversation());
}

void Engine::send_frames(Peer& peer) {
  const std::uint64_t epoch = role_ == Role::source ? epoch_ : replica_.epoch();
  while (peer.session.can_send()) {
    ByteVector body = std::exchange(peer.carried, {});
    FrameLoad load = std::exchange(peer.carried_load, {});
    while (auto message = next_message(peer)) {
      const FrameLoad more = load_of(*message, peer.source.reported_at());
      ByteVector encoded;
      wire::encode(*message, encoded);
      if (body.size() + encoded.size() > wire::kMaxBodyBytes) {
        peer.carried = std::move(encoded);
        peer.carried_load = more;
        break;
      }
      body.insert(body.end(), encoded.begin(), encoded.end());
      load.add(more);
    }
    if (body.empty()) return;
    peer.session.send(now_, epoch, std::move(body), load);
  }
}

// ---- what is known, and what is said of it

// Whether this node knows how things stand: it hears the source, or somebody who does not hear one either.
bool Engine::informed() const {
  if (source()) return true;
  bool any = false;
  for (const auto& peer : peers_) {
    const PeerState& state = peer->session.peer();
    if (state.alive && state.hears_source) return false;
    any |= state.alive;
  }
  return any;
}

Replica::InSync Engine::in_sync() const {
  if (role_ == Role::source) return {true, "this node is the source"};
  if (const auto obeyed = source())
    return replica_.in_sync(peers_[*obeyed]->session.peer(), peers_[*obeyed]->conversation());
  if (informed()) {
    const auto source_of_old = std::ranges::find_if(peers_, [](const auto& peer) {
      return peer->session.peer().alive && peer->session.peer().role == Role::source;
    });
    if (source_of_old != peers_.end())
      return {false, fmt::format("{} is the source of an old epoch", (*source_of_old)->name)};
    return {true, "no other node is primary, there is nothing to wait for"};
  }
  // A lost dedicated link takes nothing away from a replica that was in sync. One that has not heard the
  // source since it became a replica does not know what a living primary may have.
  if (in_sync_when_heard_) return {true, "it was when the source was last heard"};
  return {false, "the source is not heard on the dedicated link"};
}

bool Engine::mirrors_source() const {
  return source() && !replica_.sealed() && in_sync().in_sync;
}

void Engine::report() {
  for (const auto& peer : peers_) {
    const PeerState& state = peer->session.peer();
    if (state != peer->reported) {
      peer->reported = state;
      outputs_.emplace_back(PeerChanged{.index = peer->index, .peer = state});
    }
    report_two_sources(*peer);
  }
  const Replica::InSync sync = in_sync();
  if (informed()) in_sync_when_heard_ = sync.in_sync;
  if (sync.in_sync != reported_in_sync_) {
    reported_in_sync_ = sync.in_sync;
    outputs_.emplace_back(InSyncChanged{.in_sync = sync.in_sync, .reason = sync.reason});
  }
  report_drained();
  report_counters();
}

// What is being repaired has no age; whoever is in sync misses nothing of it that matters.
void Engine::report_drained() {
  if (!drain_ || role_ != Role::source) return;
  const Peer& peer = *peers_[drain_->peer];
  const PeerState& state = peer.session.peer();
  if (!state.alive || !state.in_sync) return;
  const FrameLoad lag = lag_of(peer);
  if (lag.entries != 0 && (!lag.oldest || *lag.oldest <= drain_->mark)) return;
  outputs_.emplace_back(Drained{drain_->plan});
  drain_.reset();
}

void Engine::report_two_sources(Peer& peer) {
  const PeerState& state = peer.session.peer();
  if (role_ != Role::source || !state.alive || state.role != Role::source) {
    peer.two_sources_since.reset();
  } else if (!peer.two_sources_since) {
    peer.two_sources_since = now_;
  } else if (now_ - *peer.two_sources_since > kTwoSourcesGrace) {
    notice(NoticeKind::two_sources,
           fmt::format("{} is the source as well as this node (epochs {} and {}): neither obeys the other",
                       peer.name, state.source_epoch, epoch_),
           &peer);
  }
}

void Engine::report_counters() {
  if (counters_.table_full != reported_full_) {
    reported_full_ = counters_.table_full;
    notice(NoticeKind::table_full, "the conntrack table is full: flows of the source are missing here");
  }
  for (const auto& peer : peers_) {
    if (std::exchange(peer->reported_overflows, peer->source.overflows()) == peer->source.overflows())
      continue;
    notice(NoticeKind::outbox_overflow,
           peer->name + " does not keep up: a compare of the tables will replace the waiting events",
           peer.get());
  }
}

void Engine::notice(NoticeKind kind, std::string text, Peer* peer) {
  auto& last = peer == nullptr ? last_notice_ : peer->last_notice[static_cast<std::size_t>(kind)];
  if (last && now_ - *last < kBetweenNotices) return;
  last = now_;
  outputs_.emplace_back(Notice{.kind = kind, .text = std::move(text)});
}

std::optional<Instant> Engine::next_deadline() const {
  std::optional<Instant> next;
  const auto earlier = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  const bool own_reader_free = !dumps_[kOwnReader];
  for (const auto& peer : peers_) {
    earlier(peer->session.next_deadline());
    if (role_ != Role::source) continue;
    const bool reading = dumps_[1 + peer->index].has_value();
    earlier(peer->source.next_deadline(peer->session.can_send(), !reading));
    if (!reading || ready_for_dump(dumps_[1 + peer->index]->id)) continue;
    const auto paced = peer->source.reading_deadline();
    if (paced && *paced > now_) earlier(paced);
  }
  if (role_ == Role::replica) {
    const auto obeyed = source();
    earlier(replica_.next_deadline(obeyed && peers_[*obeyed]->session.can_send(), own_reader_free));
    if (!own_reader_free && !ready_for_dump(dumps_[kOwnReader]->id)) {
      const auto paced = replica_.reading_deadline();
      if (paced && *paced > now_) earlier(paced);
    }
  } else {
    earlier(turn_.next_deadline(peers_));
    if (own_reader_free) earlier(settler_.next_deadline());
  }
  if (injector_.waiting() != 0) earlier(injector_.next_deadline());
  return next;
}

Counters Engine::counters() const {
  std::vector<const Counters*> conversations;
  for (const auto& peer : peers_) conversations.push_back(&peer->counters);
  return sum_of(counters_, conversations);
}

Progress Engine::progress() const {
  const Replica::InSync sync = in_sync();
  Progress progress{.role = role_,
                    .epoch = role_ == Role::source ? epoch_ : replica_.epoch(),
                    .in_sync = sync.in_sync,
                    .reason = sync.reason,
                    .index_entries = injector_.indexed(),
                    .index_bytes = injector_.index_bytes(),
                    .waiting_operations = injector_.waiting(),
                    .compare_bytes = replica_.compare_bytes(),
                    .source = source()};
  for (const auto& peer : peers_) {
    const FrameLoad lag = role_ == Role::source ? lag_of(*peer) : FrameLoad();
    progress.compare_bytes += peer->source.compare_bytes();
    progress.peers.push_back({.peer = peer->session.peer(),
                              .uptime = std::chrono::seconds(peer->session.peer_uptime_s()),
                              .unacknowledged_frames = peer->session.unacknowledged(),
                              .pending_events = peer->source.pending_events(),
                              .pending_full_send = peer->source.pending_full_send(),
                              .lag_entries = lag.entries,
                              .lag_since = lag.oldest,
                              .acknowledged_entries = peer->session.acknowledged_entries(),
                              .young_flows = peer->source.young_flows(),
                              .last_full_send = peer->source.last_full_send(),
                              .reconciling = peer->source.reconciling(),
                              .reconcile_due = peer->source.reconcile_due(),
                              .reading = peer->source.reading(),
                              .compare_bytes = peer->source.compare_bytes(),
                              .last_reconcile = peer->source.last_reconcile()});
  }
  return progress;
}

}  // namespace ftfw::sync
