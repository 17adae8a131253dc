#include "sync/replica.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

Replica::Replica(const Settings& settings, const Filter& filter, Injector& injector, Counters& counters)
    : settings_(settings), filter_(filter), injector_(injector), counters_(counters) {}

void Replica::start(Instant now) {
  sealed_ = false;
  source_.reset();
  begun_.reset();
  complete_.reset();
  current_send_ = 0;
  current_from_ = {};
  current_ranges_.reset();
  compare_.abandon();
  compare_due_ = false;
  own_tasks_ = false;
  learned_ = false;
  learn_due_ = true;
  sweep_due_ = false;
  dump_not_before_ = now;
  ask_again_ = false;
  asks_in_a_row_ = 0;
  ask_at_.reset();
  pass_open_ = false;
  trouble_ask_at_.reset();
  trouble_before_ = trouble();
  refused_ = {};
  labels_refused_before_ = counters_.labels_refused;
  helpers_refused_before_ = counters_.without_helper;
}

void Replica::on_new_session() {
  source_.reset();
  drop_half_received();
}

// What is queued goes on: it came from the same table, or from one that the new source had as well, and the
// compare with the new one reads the kernel behind it.
void Replica::drop_half_received() {
  begun_.reset();
  complete_.reset();
  compare_.abandon();
  compare_due_ = false;
  sweep_due_ = false;
  ask_at_.reset();
}

void Replica::follow(std::uint64_t session, std::uint64_t epoch) {
  if (sealed_ || epoch < epoch_) return;
  if (session == source_) {
    epoch_ = epoch;
    return;
  }
  if (epoch == epoch_ && source_) return;
  source_ = session;
  epoch_ = epoch;
  drop_half_received();
}

void Replica::raise_epoch(std::uint64_t epoch) {
  epoch_ = std::max(epoch_, epoch);
}

void Replica::on_message(std::uint64_t epoch, std::uint64_t session, wire::Message message, bool across_gap) {
  ++counters_.messages_received;
  if (epoch < epoch_) {
    ++counters_.stale_epoch;
    return;
  }
  if (sealed_) {
    ++counters_.refused_by_role;
    return;
  }
  follow(session, epoch);
  if (session != source_) {
    ++counters_.second_source;
    return;
  }
  if (const auto place = place_of(message)) compare_.touch(*place);
  if (auto* entry = std::get_if<wire::Entry>(&message)) return on_entry(*entry);
  if (const auto* destroyed = std::get_if<wire::Destroyed>(&message)) {
    if (!filter_.covers(destroyed->key)) {
      ++counters_.uncovered;
    } else {
      injector_.push(Destroy{.key = destroyed->key});
    }
  } else if (auto* expected = std::get_if<wire::Expected>(&message)) {
    if (!filter_.covers(expected->expectation)) {
      ++counters_.uncovered;
    } else {
      injector_.push(PutExpectation{std::move(expected->expectation)});
    }
  } else if (const auto* gone = std::get_if<wire::ExpectedDestroyed>(&message)) {
    if (filter_.covers(gone->key)) injector_.push(DropExpectation{.key = gone->key});
  } else if (!across_gap) {
    on_pass({.epoch = epoch, .session = session}, message);
  }
}

void Replica::on_pass(From from, const wire::Message& message) {
  if (const auto* begin = std::get_if<wire::Begin>(&message)) {
    on_begin(from, *begin);
  } else if (const auto* end = std::get_if<wire::End>(&message)) {
    if (begun_ == from) push_mark(Mark::Kind::end, from, end->send);
  } else if (const auto* compare = std::get_if<wire::CompareBegin>(&message)) {
    begun_ = from;
    pass_open_ = true;
    ask_at_.reset();
    comparing_from_ = from;
    compare_due_ = false;
    compare_.begin(*compare);
    ++counters_.compares_received;
    push_mark(Mark::Kind::compare, from, compare->compare);
  } else if (const auto* digests = std::get_if<wire::Digests>(&message)) {
    on_digests(from, *digests);
  }
}

void Replica::on_entry(wire::Entry& message) {
  if (!filter_.covers(message.entry)) {
    ++counters_.uncovered;
    return;
  }
  // Dumps and events leave out no mark but 0, and an entry that stands here from before may have one.
  if (!message.entry.mark) message.entry.mark = 0;
  injector_.push(Upsert{.entry = std::move(message.entry), .only_if_absent = message.only_if_absent});
}

void Replica::on_begin(From from, const wire::Begin& begin) {
  std::shared_ptr<const RangeSet> ranges;
  if (begin.compare != 0) {
    // Of ranges that were not asked for: nobody would know what to sweep.
    if (begin.compare != compare_.number() || comparing_from_ != from) return;
    ranges = std::make_shared<const RangeSet>(compare_.ranges());
  }
  compare_.abandon();
  compare_due_ = false;
  begun_ = from;
  pass_open_ = true;
  ask_at_.reset();
  push_mark(Mark::Kind::begin, from, begin.send, std::move(ranges));
}

void Replica::on_digests(From from, const wire::Digests& digests) {
  if (from != comparing_from_ || !compare_.on_digests(digests)) return;
  counters_.ranges_compared += compare_.compared();
  counters_.ranges_differing += compare_.differing();
  if (compare_.differing() == 0) push_mark(Mark::Kind::compared, from, digests.compare);
}

void Replica::push_mark(Mark::Kind kind, From from, std::uint64_t send,
                        std::shared_ptr<const RangeSet> ranges) {
  injector_.push(Mark{
      .kind = kind, .send = send, .epoch = from.epoch, .session = from.session, .ranges = std::move(ranges)});
}

void Replica::on_mark(const Mark& mark) {
  const From from{.epoch = mark.epoch, .session = mark.session};
  const bool valid = !sealed_ && mark.session == source_ && mark.epoch == epoch_;
  switch (mark.kind) {
    case Mark::Kind::begin:
      current_send_ = mark.send;
      current_from_ = from;
      current_ranges_ = mark.ranges;
      // What was refused since the compare began is not in its outcome.
      if (!mark.ranges) trouble_before_ = trouble();
      return;
    case Mark::Kind::end:
      if (!valid || mark.send != current_send_ || from != current_from_) return;
      ++(current_ranges_ ? counters_.repairs_received : counters_.full_sends_received);
      sweeping_ = mark;
      sweeping_.ranges = current_ranges_;
      sweep_generation_ = injector_.generation();
      sweep_due_ = true;
      return;
    case Mark::Kind::swept:
      if (!valid) return;
      injector_.forget_older_than(sweep_generation_, mark.ranges.get());
      return complete(from);
    case Mark::Kind::compare:
      if (!valid || mark.send != compare_.number()) return;
      trouble_before_ = trouble();
      own_tasks_ = false;
      compare_due_ = true;
      return;
    case Mark::Kind::compared:
      if (!valid) return;
      ++counters_.compares_equal;
      return complete(from);
  }
}

void Replica::complete(From from) {
  complete_ = from;
  // What was refused may find its place now: the tuple it clashed with is swept, its master has come. A
  // few times, because what is refused again and again is so for a reason that lasts.
  ask_again_ = trouble() != trouble_before_ && asks_in_a_row_ < kMaxAsks;
  asks_in_a_row_ = ask_again_ ? asks_in_a_row_ + 1 : 0;
  trouble_before_ = trouble();
  pass_open_ = false;
}

bool Replica::asks_for_trouble(Instant now) {
  if (pass_open_ || trouble() == trouble_before_) {
    trouble_ask_at_.reset();
    return false;
  }
  if (!trouble_ask_at_) trouble_ask_at_ = std::max(now + kAskAfterTrouble, no_trouble_ask_before_);
  if (now < *trouble_ask_at_) return false;
  trouble_ask_at_.reset();
  no_trouble_ask_before_ = now + kBetweenTroubles;
  trouble_before_ = trouble();
  return true;
}

TableState Replica::table_state(Instant now) {
  if (now >= refused_until_) refused_ = {};
  const bool labels =
      std::exchange(labels_refused_before_, counters_.labels_refused) != counters_.labels_refused;
  const bool helpers =
      std::exchange(helpers_refused_before_, counters_.without_helper) != counters_.without_helper;
  refused_.labels |= labels;
  refused_.helpers |= helpers;
  if (labels || helpers) refused_until_ = now + kForgetRefusals;
  const bool empty = !sealed_ && learned_ && injector_.indexed() == 0 && injector_.idle();
  return {.empty = empty, .refused = refused_};
}

bool Replica::has_room_for_dump(DumpPurpose purpose, Instant now) const {
  if (purpose == DumpPurpose::compare && compare_.reading() && !compare_.has_room(now)) return false;
  return injector_.has_room();
}

std::optional<Instant> Replica::reading_deadline() const {
  return compare_.reading() ? std::optional(compare_.reading_deadline()) : std::nullopt;
}

std::uint64_t Replica::trouble() const {
  // Where flows in some states do not travel, an update of what is not here is no trouble.
  const std::uint64_t incomplete = filter_.excludes_answered() ? 0 : counters_.incomplete;
  return counters_.reply_clash + counters_.without_master + counters_.expectation_refused + incomplete +
         counters_.mistaken + counters_.replaced;
}

std::optional<DumpPurpose> Replica::dump_due(Instant now) {
  if (sealed_ || now < dump_not_before_) return std::nullopt;
  if (std::exchange(learn_due_, false)) return DumpPurpose::learn;
  if (std::exchange(sweep_due_, false)) return DumpPurpose::sweep;
  if (!std::exchange(compare_due_, false) || !compare_.running()) return std::nullopt;
  if (own_tasks_) {
    // What learning or sweeping wants done is no message of the source, so it has to be in the kernel before.
    push_mark(Mark::Kind::compare, comparing_from_, compare_.number());
    return std::nullopt;
  }
  dumped_compare_ = compare_.number();
  compare_generation_ = injector_.generation();
  compare_.begin_dump(now, settings_.compare_entries_per_second);
  return DumpPurpose::compare;
}

void Replica::on_dump(DumpPurpose purpose, std::span<const ConntrackEntry> entries,
                      std::span<const Expectation> expectations) {
  if (purpose == DumpPurpose::learn) {
    own_tasks_ = true;
    for (const ConntrackEntry& entry : entries) {
      if (filter_.covers(entry)) injector_.learn(entry);
    }
  } else if (purpose == DumpPurpose::sweep) {
    sweep(entries, expectations);
  } else if (purpose == DumpPurpose::compare && compare_.reading() && dumped_compare_ == compare_.number()) {
    for (const ConntrackEntry& entry : entries) {
      if (!filter_.covers(entry)) continue;
      compare_.add(entry);
      injector_.seen(entry, compare_.touched(place_of(entry.key)));
    }
    for (const Expectation& expectation : expectations) {
      if (!filter_.covers(expectation)) continue;
      compare_.add(expectation);
      injector_.seen(expectation, compare_.touched(place_of(expectation.key)));
    }
  }
}

void Replica::sweep(std::span<const ConntrackEntry> entries, std::span<const Expectation> expectations) {
  if (!injector_.index_complete()) return;
  own_tasks_ = true;
  const RangeSet* only = sweeping_.ranges.get();
  for (const ConntrackEntry& entry : entries) {
    if (!filter_.covers(entry) || injector_.confirmed(entry.key, sweep_generation_)) continue;
    if (only != nullptr && !only->contains(place_of(entry.key))) continue;
    injector_.push(Destroy{.key = entry.key, .swept = true, .generation = sweep_generation_});
  }
  for (const Expectation& expectation : expectations) {
    if (!filter_.covers(expectation) || injector_.confirmed(expectation.key, sweep_generation_)) continue;
    if (only != nullptr && !only->contains(place_of(expectation.key))) continue;
    injector_.push(DropExpectation{.key = expectation.key, .swept = true, .generation = sweep_generation_});
  }
}

void Replica::on_dump_end(Instant now, DumpPurpose purpose, bool complete) {
  if (!complete) dump_not_before_ = now + kAfterFailedDump;
  if (purpose == DumpPurpose::learn) {
    (complete ? learned_ : learn_due_) = true;
  } else if (purpose == DumpPurpose::sweep) {
    if (!complete) {
      sweep_due_ = true;
      return;
    }
    Mark swept = sweeping_;
    swept.kind = Mark::Kind::swept;
    injector_.push(swept);
  } else if (purpose == DumpPurpose::compare && compare_.reading() && dumped_compare_ == compare_.number()) {
    compare_.end_dump(complete);
    if (!complete) {
      compare_due_ = true;
    } else if (injector_.index_complete()) {
      // What vanished from this kernel by itself.
      injector_.forget_older_than(compare_generation_);
    }
  }
}

std::optional<wire::Message> Replica::request_due(Instant now, const PeerState& peer, std::uint64_t session) {
  if (sealed_ || !obeys(peer)) {
    ask_at_.reset();
    trouble_ask_at_.reset();
    return std::nullopt;
  }
  if (auto message = compare_.next_message()) return message;
  if (begun_ == From{.epoch = peer.source_epoch, .session = session}) {
    ask_at_.reset();
    if (!std::exchange(ask_again_, false) && !asks_for_trouble(now)) return std::nullopt;
    ++counters_.full_sends_asked_for;
    return wire::FullSendRequest{.restart = false};
  }
  if (!ask_at_) ask_at_ = now + kAskAfter;
  if (now < *ask_at_) return std::nullopt;
  ask_at_ = now + kAskAgain;
  ++counters_.full_sends_asked_for;
  return wire::FullSendRequest{.restart = true};
}

Replica::InSync Replica::in_sync(const PeerState& peer, std::uint64_t session) const {
  if (!peer.alive) return {true, "no living peer to wait for"};
  if (peer.role != Role::source) return {true, "the peer is not primary, there is nothing to wait for"};
  if (peer.source_epoch < epoch_) return {false, "the peer is the source of an old epoch"};
  const From from{.epoch = peer.source_epoch, .session = session};
  if (complete_ == from) return {true, "holds what the source holds"};
  if (begun_ != from) return {false, "waiting for the source's table"};
  if (compare_.running()) return {false, "comparing the tables"};
  if (current_ranges_) return {false, "receiving what differs from the source's table"};
  return {false, sweep_due_ ? "removing what the source does not have" : "receiving the source's full send"};
}

std::optional<Instant> Replica::next_deadline(bool can_send, bool can_dump) const {
  std::optional<Instant> next = can_send ? ask_at_ : std::nullopt;
  if (can_send && trouble_ask_at_ && (!next || *trouble_ask_at_ < *next)) next = trouble_ask_at_;
  const bool dump = can_dump && !sealed_ && (learn_due_ || sweep_due_ || compare_due_);
  if (dump && (!next || dump_not_before_ < *next)) next = dump_not_before_;
  return next;
}

}  // namespace ftfw::sync
