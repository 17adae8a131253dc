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

}  // namespace

Engine::Engine(Settings settings, std::uint64_t instance)
    : settings_(std::move(settings)),
      filter_(settings_),
      injector_(parked_seconds(settings_.parked_timeout), settings_.cache, counters_),
      session_(settings_.node, settings_.peer, instance, counters_),
      source_(settings_, filter_, counters_, instance),
      replica_(settings_, filter_, injector_, counters_),
      settler_(settings_, filter_, injector_) {
  replica_.start({});
}

void Engine::on_channel_up(Instant now) {
  now_ = now;
  session_.set_channel(now, true);
}

void Engine::on_channel_down(Instant now) {
  now_ = now;
  session_.set_channel(now, false);
}

void Engine::on_frame(Instant now, ByteSpan bytes) {
  now_ = now;
  const Session::Received received = session_.on_frame(now, bytes);
  if (!received.error.empty()) {
    notice(NoticeKind::malformed_frame, fmt::format("the peer sent a malformed frame: {}", received.error));
  }
  switch (received.refusal) {
    case Handshake::Refusal::none:
      break;
    case Handshake::Refusal::reflected:
      notice(NoticeKind::reflected_hello,
             fmt::format("a hello in our own name \"{}\" arrived: is the peer configured as this node?",
                         settings_.node));
      break;
    case Handshake::Refusal::wrong_name:
      notice(NoticeKind::wrong_peer, fmt::format("a node that is not \"{}\" speaks to us", settings_.peer));
      break;
    case Handshake::Refusal::no_common_version:
      notice(NoticeKind::no_common_version,
             "the peer speaks no version of the replication protocol that we do");
      break;
  }
  if (!received.new_session) return;
  carried_.clear();
  carried_load_ = {};
  source_.on_new_session(now);
  replica_.on_new_session();
  if (dump_ && (dump_->purpose == DumpPurpose::compare || dump_->purpose == DumpPurpose::full_send ||
                dump_->purpose == DumpPurpose::sweep)) {
    cancel_dump();
  }
}

void Engine::on_event(Instant now, const Event& event) {
  now_ = now;
  source_.on_event(now, event);
}

void Engine::on_overrun(Instant now) {
  now_ = now;
  source_.on_overrun(now);
}

bool Engine::ready_for_dump() const {
  if (!dump_ || dump_->cancelled) return true;
  if (of_source(*dump_)) return !source_.wants_dump(dump_->id) || source_.has_room(now_);
  if (dump_->purpose == DumpPurpose::settle) return injector_.has_room();
  return replica_.has_room_for_dump(dump_->purpose, now_);
}

void Engine::on_dump(Instant now, std::uint64_t dump, std::span<const ConntrackEntry> entries,
                     std::span<const Expectation> expectations) {
  now_ = now;
  if (!dump_ || dump_->id != dump || dump_->cancelled) return;
  if (of_source(*dump_)) {
    if (source_.wants_dump(dump)) source_.on_dump(now, entries, expectations);
    return;
  }
  switch (dump_->purpose) {
    case DumpPurpose::full_send:
      return;
    case DumpPurpose::compare:
    case DumpPurpose::learn:
    case DumpPurpose::sweep:
      return replica_.on_dump(dump_->purpose, entries, expectations);
    case DumpPurpose::settle:
      return settler_.on_dump(entries);
  }
}

void Engine::on_dump_end(Instant now, std::uint64_t dump, bool complete) {
  now_ = now;
  if (!dump_ || dump_->id != dump) return;
  const Dump ended = *std::exchange(dump_, std::nullopt);
  if (ended.cancelled) return;
  if (of_source(ended)) {
    if (source_.wants_dump(dump)) source_.on_dump_end(now, complete);
    return;
  }
  switch (ended.purpose) {
    case DumpPurpose::full_send:
      return;
    case DumpPurpose::compare:
    case DumpPurpose::learn:
    case DumpPurpose::sweep:
      return replica_.on_dump_end(now, ended.purpose, complete);
    case DumpPurpose::settle:
      return settler_.on_dump_end(now, complete);
  }
}

void Engine::on_applied(Instant now, std::span<const Refusal> refusals) {
  now_ = now;
  injector_.on_applied(now, refusals);
}

void Engine::become_source(Instant now, std::uint64_t epoch) {
  now_ = now;
  role_ = Role::source;
  epoch_ = epoch;
  replica_.seal();
  replica_.raise_epoch(epoch);
  injector_.only_fill_holes();
  cancel_dump();
  carried_.clear();
  carried_load_ = {};
  source_.start(now);
  settler_.start(now);
}

void Engine::become_replica(Instant now) {
  now_ = now;
  if (role_ == Role::replica && !replica_.sealed()) return;
  role_ = Role::replica;
  commit_.reset();
  source_.stop();
  settler_.stop();
  injector_.clear();
  cancel_dump();
  carried_.clear();
  carried_load_ = {};
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
  PeerState last = session_.peer();
  last.alive = true;
  const bool in_sync_before = replica_.in_sync(last, session_.number()).in_sync;
  while (auto frame = session_.take()) dispatch(std::move(*frame), false);
  const bool gap = session_.has_gap();
  // What lies behind the gap is newer than what is in the kernel, and the sender is not going to fill it.
  while (auto frame = session_.take_across_gaps()) dispatch(std::move(*frame), true);
  replica_.seal();
  cancel_dump();
  commit_ = Commit{.plan = plan, .complete = in_sync_before && !gap};
}

void Engine::set_group_state(Instant now, const GroupState& group) {
  now_ = now;
  group_ = group;
}

void Engine::on_timer(Instant now) {
  now_ = now;
}

void Engine::cancel_dump() {
  if (dump_) dump_->cancelled = true;
}

std::vector<Output> Engine::take_outputs() {
  deliver();
  run_injector();
  start_dump();
  // A dump may first want a mark reached, and nothing may stand before it.
  if (!dump_ && injector_.waiting() != 0) {
    run_injector();
    start_dump();
  }
  const Replica::InSync sync = in_sync();
  session_.set_state({.role = role_,
                      .in_sync = sync.in_sync,
                      .source_epoch = role_ == Role::source ? epoch_ : replica_.epoch(),
                      .group = group_,
                      .table = role_ == Role::source ? TableState{} : replica_.table_state(now_)});
  session_.run(now_);
  send_frames();
  for (ByteVector& bytes : std::exchange(session_.outgoing(), {}))
    outputs_.emplace_back(SendFrame{std::move(bytes)});
  report();
  return std::exchange(outputs_, {});
}

void Engine::deliver() {
  while (replica_.has_room()) {
    auto frame = session_.take();
    if (!frame) return;
    dispatch(std::move(*frame), false);
  }
}

void Engine::dispatch(wire::Frame frame, bool across_gap) {
  for (wire::Message& message : frame.messages) {
    if (const auto* request = std::get_if<wire::FullSendRequest>(&message)) {
      source_.on_full_send_request(now_, request->restart);
    } else if (std::holds_alternative<wire::CompareReady>(message) ||
               std::holds_alternative<wire::RangesWanted>(message)) {
      source_.on_message(now_, message);
    } else if (!std::holds_alternative<wire::Hello>(message) &&
               !std::holds_alternative<wire::State>(message)) {
      replica_.on_message(frame.header.epoch, session_.number(), std::move(message), across_gap);
    }
  }
}

void Engine::run_injector() {
  std::vector<Mark> reached;
  if (auto batch = injector_.next(now_, reached)) outputs_.emplace_back(Apply{std::move(*batch)});
  for (const Mark& mark : reached) replica_.on_mark(mark, session_.number());
  if (commit_ && injector_.idle()) {
    outputs_.emplace_back(CommitFinished{.plan = commit_->plan, .complete = commit_->complete});
    commit_.reset();
  }
}

std::optional<DumpPurpose> Engine::dump_due(std::uint64_t id) {
  if (role_ == Role::replica) return replica_.dump_due(now_);
  source_.on_peer(session_.peer_table(), (session_.peer_features() & wire::kFeatureDigests) != 0);
  if (session_.can_send()) {
    if (const auto purpose = source_.begin_when_due(now_, id)) return purpose;
  }
  if (settler_.due(now_)) return DumpPurpose::settle;
  return std::nullopt;
}

void Engine::start_dump() {
  if (dump_) return;
  const auto purpose = dump_due(next_dump_);
  if (!purpose) return;
  dump_ = Dump{.id = next_dump_++, .purpose = *purpose};
  outputs_.emplace_back(StartDump{.dump = dump_->id, .purpose = *purpose});
}

std::optional<wire::Message> Engine::next_message() {
  if (role_ == Role::source) return source_.next(now_);
  return replica_.request_due(now_, session_.peer(), session_.number());
}

void Engine::send_frames() {
  const std::uint64_t epoch = role_ == Role::source ? epoch_ : replica_.epoch();
  while (session_.can_send()) {
    ByteVector body = std::exchange(carried_, {});
    FrameLoad load = std::exchange(carried_load_, {});
    while (auto message = next_message()) {
      const FrameLoad more = load_of(*message, source_.reported_at());
      ByteVector encoded;
      wire::encode(*message, encoded);
      if (body.size() + encoded.size() > wire::kMaxBodyBytes) {
        carried_ = std::move(encoded);
        carried_load_ = more;
        break;
      }
      body.insert(body.end(), encoded.begin(), encoded.end());
      load.add(more);
    }
    if (body.empty()) return;
    session_.send(now_, epoch, std::move(body), load);
  }
}

Replica::InSync Engine::in_sync() const {
  if (role_ == Role::source) return {true, "this node is the source"};
  if (session_.peer().alive) return replica_.in_sync(session_.peer(), session_.number());
  // A lost dedicated link takes nothing away from a replica that was in sync. One that has not heard the peer
  // since it became a replica does not know what a living primary may have.
  if (in_sync_when_heard_) return {true, "it was when the peer was last heard"};
  return {false, "the peer is not heard on the dedicated link"};
}

bool Engine::mirrors_source() const {
  const PeerState& peer = session_.peer();
  return role_ == Role::replica && !replica_.sealed() && peer.alive && peer.role == Role::source &&
         replica_.in_sync(peer, session_.number()).in_sync;
}

void Engine::report() {
  const PeerState& peer = session_.peer();
  if (peer != reported_peer_) {
    reported_peer_ = peer;
    outputs_.emplace_back(PeerChanged{peer});
  }
  if (role_ != Role::source || !peer.alive || peer.role != Role::source) {
    two_sources_since_.reset();
  } else if (!two_sources_since_) {
    two_sources_since_ = now_;
  } else if (now_ - *two_sources_since_ > kTwoSourcesGrace) {
    notice(NoticeKind::two_sources,
           fmt::format("both nodes are the source (epochs {} and {}): neither obeys the other", epoch_,
                       peer.source_epoch));
  }
  const Replica::InSync sync = in_sync();
  if (peer.alive) in_sync_when_heard_ = sync.in_sync;
  if (sync.in_sync != reported_in_sync_) {
    reported_in_sync_ = sync.in_sync;
    outputs_.emplace_back(InSyncChanged{.in_sync = sync.in_sync, .reason = sync.reason});
  }
  report_counters();
}

void Engine::report_counters() {
  if (counters_.table_full != reported_full_) {
    reported_full_ = counters_.table_full;
    notice(NoticeKind::table_full, "the conntrack table is full: flows of the source are missing here");
  }
  if (source_.overflows() != reported_overflows_) {
    reported_overflows_ = source_.overflows();
    notice(NoticeKind::outbox_overflow,
           "the peer does not keep up: a compare of the tables will replace the waiting events");
  }
}

void Engine::notice(NoticeKind kind, std::string text) {
  auto& last = last_notice_[static_cast<std::size_t>(kind)];
  if (last && now_ - *last < kBetweenNotices) return;
  last = now_;
  outputs_.emplace_back(Notice{.kind = kind, .text = std::move(text)});
}

std::optional<Instant> Engine::next_deadline() const {
  std::optional<Instant> next = session_.next_deadline();
  const auto earlier = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  if (role_ == Role::replica) {
    earlier(replica_.next_deadline(session_.can_send(), !dump_));
  } else {
    earlier(source_.next_deadline(session_.can_send(), !dump_));
    if (!dump_) earlier(settler_.next_deadline());
  }
  if (dump_ && !ready_for_dump()) {
    const auto reading = of_source(*dump_) ? source_.reading_deadline() : replica_.reading_deadline();
    if (reading && *reading > now_) earlier(reading);
  }
  if (injector_.waiting() != 0) earlier(injector_.next_deadline());
  return next;
}

Progress Engine::progress() const {
  const Replica::InSync sync = in_sync();
  FrameLoad lag;
  if (role_ == Role::source) {
    lag = session_.unacknowledged_load();
    lag.add(carried_load_);
    lag.add({.entries = source_.pending_events() + source_.pending_full_send(),
             .oldest = source_.oldest_waiting()});
  }
  return {.role = role_,
          .epoch = role_ == Role::source ? epoch_ : replica_.epoch(),
          .in_sync = sync.in_sync,
          .reason = sync.reason,
          .index_entries = injector_.indexed(),
          .index_bytes = injector_.index_bytes(),
          .unacknowledged_frames = session_.unacknowledged(),
          .pending_events = source_.pending_events(),
          .pending_full_send = source_.pending_full_send(),
          .lag_entries = lag.entries,
          .lag_since = lag.oldest,
          .acknowledged_entries = session_.acknowledged_entries(),
          .young_flows = source_.young_flows(),
          .waiting_operations = injector_.waiting(),
          .last_full_send = source_.last_full_send(),
          .reconciling = source_.reconciling(),
          .reconcile_due = source_.reconcile_due(),
          .reading = source_.reading(),
          .compare_bytes = source_.compare_bytes() + replica_.compare_bytes(),
          .last_reconcile = source_.last_reconcile(),
          .peer = session_.peer()};
}

}  // namespace ftfw::sync
