#include "sync/source.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "sync/hash.hpp"

namespace ftfw::sync {
namespace {

// A dump leaves out the protocol state of a flow in a flowtable (ctnetlink_dump_info); only established ones
// are there.
bool offloaded_tcp(const ConntrackEntry& entry) {
  return entry.key.original.protocol == IPPROTO_TCP && !entry.tcp &&
         (entry.status.value_or(0) & (status::kOffload | status::kHardwareOffload)) != 0;
}

}  // namespace

Source::Source(const Settings& settings, const Filter& filter, Counters& counters, std::uint64_t secret)
    : settings_(settings),
      filter_(filter),
      counters_(counters),
      young_(settings.minimum_age),
      secret_(secret) {}

void Source::start(Instant now) {
  active_ = true;
  young_.clear();
  start_over(ReconcileCause::became_source);
  not_before_ = now + kTrafficFirst;
}

void Source::stop() {
  start_over(ReconcileCause::periodic);
  young_.clear();
  active_ = false;
  waits_for_turn_ = false;
}

void Source::abandon() {
  if (full_.running()) ++counters_.full_sends_abandoned;
  if (compare_.running()) ++counters_.compares_abandoned;
  full_.abandon();
  compare_.abandon();
  whole_due_ = false;
  ranges_due_.reset();
  end_placed_ = false;
}

void Source::start_over(ReconcileCause cause) {
  abandon();
  outbox_.clear();
  streaming_ = false;
  due_ = false;
  make_due(cause);
}

// The first cause is the one that is told.
void Source::make_due(ReconcileCause cause) {
  if (!std::exchange(due_, true)) due_cause_ = cause;
}

void Source::on_new_session(Instant now) {
  if (!active_) return;
  start_over(ReconcileCause::new_conversation);
  not_before_ = now;
}

void Source::on_peer(const TableState& table, bool digests) {
  peer_table_ = table;
  peer_digests_ = digests;
}

void Source::on_full_send_request(Instant now, bool restart) {
  if (!active_) return;
  ++counters_.full_sends_requested;
  if (!restart) {
    if (now < next_compare_) next_cause_ = ReconcileCause::requested;
    next_compare_ = std::min(next_compare_, now);
    return;
  }
  abandon();
  make_due(ReconcileCause::requested);
  not_before_ = std::max(not_before_, now);
}

void Source::on_overrun(Instant now) {
  ++counters_.overruns;
  if (!active_) return;
  // The ends of young flows may have been lost: those that live are old enough for the compare.
  young_.clear();
  make_due(ReconcileCause::overrun);
  // Destroys may be among what was lost: what the running dump holds cannot be trusted any more.
  on_full_send_request(now, true);
  --counters_.full_sends_requested;
}

void Source::on_event(Instant now, const Event& event) {
  ++counters_.events;
  if (!active_) {
    ++counters_.events_of_replica;
    return;
  }
  if (const auto* conntrack = std::get_if<ConntrackEvent>(&event)) on_conntrack(now, *conntrack);
  if (const auto* expectation = std::get_if<ExpectationEvent>(&event)) on_expectation(now, *expectation);
}

void Source::on_conntrack(Instant now, const ConntrackEvent& event) {
  if (!filter_.covers(event.entry) || filter_.awaits_reply(event.entry)) {
    ++counters_.events_filtered;
    return;
  }
  if (young_.used() && is_kept_young(now, event)) return;
  if (event.entry.master) send_master(now, *event.entry.master, event.entry.key.zone);
  if (event.change == Change::destroyed || filter_.travels(event.entry)) return stream(now, event);
  ++counters_.events_filtered;
  // Out of the states that travel: the replica has it in an earlier one. A new flow it does not have.
  if (event.change == Change::updated) {
    stream(now,
           ConntrackEvent{
               .change = Change::destroyed,
               .entry = {.key = event.entry.key, .reply = event.entry.reply, .status = event.entry.status}});
  }
}

// What the peer was never told of. Neither a compare nor a send looks at it: the replica does not have it.
bool Source::is_kept_young(Instant now, const ConntrackEvent& event) {
  const EntryKey& key = event.entry.key;
  const bool known = young_.contains(key);
  if (event.change == Change::destroyed) {
    if (!young_.drop(key)) return false;
    ++counters_.flows_ended_young;
  } else if (known && event.change == Change::updated) {
    young_.update(event.entry);
  } else if (begins(event) && !full_.running()) {
    young_.begin(now, event.entry);
    send_grown(now);
  } else {
    // While a send reads the table it may have sent the flow before this event came.
    young_.drop(key);
    return false;
  }
  leave_out_of_compare(key);
  return true;
}

// A flow that waits for its first reply begins with that.
bool Source::begins(const ConntrackEvent& event) const {
  if (event.change == Change::created) return true;
  return !filter_.sends_unanswered() && event.entry.tcp && event.entry.tcp->state == TcpState::syn_recv &&
         (event.entry.status.value_or(0) & status::kAssured) == 0;
}

void Source::leave_out_of_compare(const EntryKey& key) {
  if (compare_.leave_out(place_of(key))) return;
  ++counters_.touched_overflows;
  abandon();
  make_due(ReconcileCause::overflow);
}

void Source::send_grown(Instant now) {
  while (const auto entry = young_.take_ripe(now)) send_as_new(now, *entry);
  counters_.young_overflows = young_.crowded_out();
}

// It cannot wait any longer: the replica's kernel refuses an expectation of nobody, and makes a related flow
// without it.
void Source::send_master(Instant now, const Tuple& master, std::uint16_t zone) {
  if (const auto entry = young_.release({.original = master, .zone = zone})) send_as_new(now, *entry);
}

void Source::send_as_new(Instant now, const ConntrackEntry& entry) {
  if (filter_.travels(entry)) {
    stream(now, ConntrackEvent{.change = Change::created, .entry = entry});
  } else {
    ++counters_.events_filtered;
  }
}

void Source::on_expectation(Instant now, const ExpectationEvent& event) {
  if (!filter_.covers(event.expectation)) {
    ++counters_.events_filtered;
    return;
  }
  send_master(now, event.expectation.master, event.expectation.key.zone);
  stream(now, event);
}

template <typename Event>
void Source::stream(Instant now, const Event& event) {
  if (!streaming_) {
    ++counters_.events_before_send;
    return;
  }
  if (!full_.touch(event)) {
    ++counters_.touched_overflows;
    start_over(ReconcileCause::overflow);
  } else if (!outbox_.push(now, event)) {
    ++counters_.outbox_overflows;
    ++overflows_;
    start_over(ReconcileCause::overflow);
  }
}

void Source::on_message(Instant now, const wire::Message& message) {
  if (!active_) return;
  if (const auto* ready = std::get_if<wire::CompareReady>(&message)) compare_.on_ready(*ready);
  if (const auto* wanted = std::get_if<wire::RangesWanted>(&message)) {
    const std::uint64_t number = compare_.number();
    if (auto answer = compare_.on_wanted(*wanted)) {
      if (answer->wanted != 0 && answer->wanted * 2 <= answer->compared)
        ranges_due_ = SendRanges{.compare = number, .set = std::move(answer->ranges)};
      on_answer(now, *answer);
    }
  }
}

void Source::on_answer(Instant now, const CompareAnswer& answer) {
  running_.ranges = answer.compared;
  running_.differing = answer.wanted;
  counters_.ranges_compared += answer.compared;
  counters_.ranges_differing += answer.wanted;
  ++counters_.compares_finished;
  whole_due_ = answer.wanted != 0 && !ranges_due_;
  second_look_ = hurried_ && answer.left_out_some && !whole_due_;
  if (answer.wanted == 0) finish(now);
}

void Source::yield(Instant now) {
  const bool hurried = hurried_;
  abandon();
  if (hurried) make_due(running_.cause);
  next_compare_ = std::min(next_compare_, now);
  not_before_ = now + kBetweenCompares;
}

std::optional<DumpPurpose> Source::begin_when_due(Instant now, std::uint64_t number, bool may_compare) {
  waits_for_turn_ = false;
  if (!active_) return std::nullopt;
  if (compare_.overdue(now)) {
    abandon();
    make_due(ReconcileCause::repeated);
  }
  if (full_.running() || compare_.running()) return std::nullopt;
  const SendSpeed periodic{.read_per_second = settings_.compare_entries_per_second,
                           .sent_per_second = settings_.repair_entries_per_second};
  // A replica that lacks most of the table waits for no pace.
  if (whole_due_) return begin_send(now, number, {}, std::nullopt);
  if (ranges_due_) {
    return begin_send(now, number, hurried_ ? SendSpeed{} : periodic,
                      std::exchange(ranges_due_, std::nullopt));
  }
  if (now < not_before_ || (!due_ && now < next_compare_)) return std::nullopt;
  const bool compares = peer_digests_ && !peer_table_.empty;
  waits_for_turn_ = compares && !may_compare;
  if (waits_for_turn_) return std::nullopt;
  hurried_ = std::exchange(due_, false);
  not_before_ = now + kBetweenCompares;
  running_ = {.cause = hurried_ ? due_cause_ : std::exchange(next_cause_, ReconcileCause::periodic)};
  reconcile_started_ = now;
  if (!compares) return begin_send(now, number, hurried_ ? SendSpeed{} : periodic, std::nullopt);
  HashInput input;
  input.add(secret_);
  input.add(number);
  compare_.begin(
      now, {.compare = number, .salt = input.finish(), .left_out = peer_table_.refused, .hurried = hurried_},
      hurried_ ? 0 : settings_.compare_entries_per_second);
  ++counters_.compares;
  begin_reading(now);
  streaming_ = true;
  end_placed_ = false;
  return DumpPurpose::compare;
}

std::optional<DumpPurpose> Source::begin_send(Instant now, std::uint64_t number, SendSpeed speed,
                                              std::optional<SendRanges> ranges) {
  ++(ranges ? counters_.repairs : counters_.full_sends);
  full_.begin(now, number, speed, std::move(ranges));
  whole_due_ = false;
  begin_reading(now);
  streaming_ = true;
  end_placed_ = false;
  return DumpPurpose::full_send;
}

void Source::begin_reading(Instant now) {
  reading_.since = now;
  reading_.expected = reading_.done;  // as many as the last time, if nobody knows better
  reading_.done = 0;
}

bool Source::wants_dump(std::uint64_t number) const {
  return (full_.reading() && full_.send() == number) || (compare_.reading() && compare_.number() == number);
}

bool Source::has_room(Instant now) const {
  return compare_.reading() ? compare_.has_room(now) : full_.has_room(now);
}

template <typename Item>
void Source::add_dumped(Instant now, const Item& item) {
  if (full_.running()) return full_.add(item);
  if (!compare_.running() || compare_.add(item)) return;
  // More than a compare can hold: without one, then.
  ++counters_.compare_overflows;
  abandon();
  whole_due_ = true;
  not_before_ = now;
}

void Source::on_dump(Instant now, std::span<const ConntrackEntry> entries,
                     std::span<const Expectation> expectations) {
  for (const ConntrackEntry& entry : entries) {
    if (!filter_.covers(entry) || young_.contains(entry.key)) continue;
    if (!offloaded_tcp(entry)) {
      if (filter_.travels(entry)) add_dumped(now, entry);
      continue;
    }
    ConntrackEntry established = entry;
    established.tcp = TcpInfo{.state = TcpState::established};
    if (filter_.travels(established)) add_dumped(now, established);
  }
  for (const Expectation& expectation : expectations) {
    if (filter_.covers(expectation)) add_dumped(now, expectation);
  }
  reading_.done += entries.size() + expectations.size();
  counters_.held_overflows = full_.held_overflows();
  counters_.part_overflows = full_.part_overflows();
}

void Source::on_dump_end(Instant now, bool complete) {
  if (complete) running_.entries = reading_.expected = reading_.done;
  if (complete && compare_.running()) return compare_.end_dump(now);
  if (complete && full_.running()) return full_.end_dump();
  if (!compare_.running() && !full_.running()) return;
  abandon();
  make_due(ReconcileCause::repeated);
  not_before_ = now + kAfterFailedDump;
}

std::optional<wire::Message> Source::next(Instant now) {
  if (!active_) return std::nullopt;
  send_grown(now);
  reported_at_.reset();
  std::optional<wire::Message> message = full_.take_begin();
  if (!message) message = compare_.take_begin();
  if (!message && events_in_a_row_ >= kEventsPerDumped) message = next_of_pass(now);
  const auto oldest = outbox_.oldest();
  if (message) {
    events_in_a_row_ = 0;
  } else if ((message = outbox_.pop())) {
    reported_at_ = oldest;
    ++events_in_a_row_;
    if (!compare_.touch(*message)) {
      ++counters_.touched_overflows;
      abandon();
      make_due(ReconcileCause::overflow);
      not_before_ = now + kAfterTooManyTouched;
    }
  } else {
    message = next_of_pass(now);
  }
  if (message) count(*message);
  counters_.events_coalesced = outbox_.coalesced();
  return message;
}

bool Source::events_before_are_sent() {
  if (!std::exchange(end_placed_, true)) end_after_ = outbox_.tail();
  return outbox_.head() >= end_after_;
}

std::optional<wire::Message> Source::next_of_pass(Instant now) {
  if (compare_.running()) {
    // What changed while the tables were read is named before the digests, and is left out of them.
    if (!compare_.ready_to_send(now) || !events_before_are_sent()) return std::nullopt;
    return compare_.next_digests();
  }
  if (auto message = full_.next(now)) {
    if (full_.of_ranges()) ++counters_.entries_repaired;
    ++running_.sent;
    return message;
  }
  // Events that touched a key instead of its dumped entry go before the end, or the peer would sweep the
  // entry.
  if (!full_.drained() || !events_before_are_sent()) return std::nullopt;
  if (!full_.of_ranges()) {
    last_finished_ = now;
    ++counters_.full_sends_finished;
  }
  finish(now);
  return full_.finish();
}

void Source::finish(Instant now) {
  end_placed_ = false;
  const bool soon = std::exchange(second_look_, false);
  next_cause_ = soon ? ReconcileCause::second_look : ReconcileCause::periodic;
  next_compare_ =
      now + (soon ? std::min(kSecondLook, settings_.compare_interval) : settings_.compare_interval);
  running_.finished = now;
  running_.took = now - reconcile_started_;
  last_reconcile_ = running_;
}

Reconciling Source::reconciling() const {
  if (compare_.running()) return Reconciling::comparing;
  if (ranges_due_ || (full_.running() && full_.of_ranges())) return Reconciling::repairing;
  return full_.running() || whole_due_ ? Reconciling::sending_all : Reconciling::idle;
}

void Source::count(const wire::Message& message) {
  if (std::holds_alternative<wire::Entry>(message)) ++counters_.entries_sent;
  if (std::holds_alternative<wire::Destroyed>(message)) ++counters_.destroys_sent;
  if (std::holds_alternative<wire::Expected>(message)) ++counters_.expectations_sent;
}

std::optional<Instant> Source::next_deadline(bool can_send, bool can_dump) const {
  if (!active_ || !can_send) return std::nullopt;
  const std::optional<Instant> grown = young_.next_ripe();
  const std::optional<Instant> pass = waits_for_turn_ ? std::nullopt : next_of_pass_deadline(can_dump);
  if (!grown || !pass) return grown ? grown : pass;
  return std::min(*grown, *pass);
}

std::optional<Instant> Source::next_of_pass_deadline(bool can_dump) const {
  if (full_.running()) return full_.pace_deadline();
  if (compare_.running()) return compare_.next_deadline();
  if (!can_dump) return std::nullopt;
  if (whole_due_ || ranges_due_) return Instant{};  // at once
  return due_ ? not_before_ : std::max(next_compare_, not_before_);
}

std::string_view name_of(ReconcileCause cause) {
  switch (cause) {
    case ReconcileCause::periodic:
      return "periodic";
    case ReconcileCause::became_source:
      return "became primary";
    case ReconcileCause::new_conversation:
      return "new conversation";
    case ReconcileCause::overrun:
      return "events lost";
    case ReconcileCause::overflow:
      return "too many changes";
    case ReconcileCause::requested:
      return "asked for";
    case ReconcileCause::second_look:
      return "second look";
    case ReconcileCause::repeated:
      return "repeated";
  }
  return "?";
}

std::string_view name_of(Reconciling what) {
  switch (what) {
    case Reconciling::idle:
      return "idle";
    case Reconciling::comparing:
      return "comparing";
    case Reconciling::repairing:
      return "repairing";
    case Reconciling::sending_all:
      return "sending all";
  }
  return "?";
}

}  // namespace ftfw::sync
