#include "sync/replica.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

Replica::Replica(const Filter& filter, Injector& injector, Counters& counters)
    : filter_(filter), injector_(injector), counters_(counters) {}

void Replica::start(Instant now) {
  sealed_ = false;
  begun_.reset();
  complete_.reset();
  current_send_ = 0;
  current_from_ = {};
  learn_due_ = true;
  sweep_due_ = false;
  dump_not_before_ = now;
  ask_again_ = false;
  asks_in_a_row_ = 0;
  ask_at_.reset();
}

void Replica::on_new_session() {
  // What is queued stays right: it came from the same table. What is half received is void.
  begun_.reset();
  complete_.reset();
  sweep_due_ = false;
  ask_at_.reset();
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
  epoch_ = epoch;
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
  } else if (const auto* begin = std::get_if<wire::Begin>(&message)) {
    if (!across_gap) on_begin({.epoch = epoch, .session = session}, begin->send);
  } else if (const auto* end = std::get_if<wire::End>(&message)) {
    const From from{.epoch = epoch, .session = session};
    if (!across_gap && begun_ == from) {
      injector_.push(Mark{.kind = Mark::Kind::end, .send = end->send, .epoch = epoch, .session = session});
    }
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

void Replica::on_begin(From from, std::uint64_t send) {
  begun_ = from;
  ask_at_.reset();
  injector_.push(Mark{.kind = Mark::Kind::begin, .send = send, .epoch = from.epoch, .session = from.session});
}

void Replica::on_mark(const Mark& mark, std::uint64_t session) {
  const From from{.epoch = mark.epoch, .session = mark.session};
  const bool valid = !sealed_ && mark.session == session && mark.epoch == epoch_;
  switch (mark.kind) {
    case Mark::Kind::begin:
      current_send_ = mark.send;
      current_from_ = from;
      trouble_before_ = trouble();
      return;
    case Mark::Kind::end:
      if (!valid || mark.send != current_send_ || from != current_from_) return;
      ++counters_.full_sends_received;
      sweeping_ = mark;
      sweep_generation_ = injector_.generation();
      sweep_due_ = true;
      return;
    case Mark::Kind::swept:
      if (!valid) return;
      injector_.forget_older_than(sweep_generation_);
      complete_ = from;
      // What was refused may find its place now: the tuple it clashed with is swept, its master has come. A
      // few times, because what is refused again and again is so for a reason that lasts.
      ask_again_ = trouble() != trouble_before_ && asks_in_a_row_ < kMaxAsks;
      asks_in_a_row_ = ask_again_ ? asks_in_a_row_ + 1 : 0;
      return;
  }
}

std::uint64_t Replica::trouble() const {
  return counters_.reply_clash + counters_.without_master + counters_.expectation_refused +
         counters_.incomplete + counters_.mistaken;
}

std::optional<DumpPurpose> Replica::dump_due(Instant now) {
  if (sealed_ || now < dump_not_before_) return std::nullopt;
  if (std::exchange(learn_due_, false)) return DumpPurpose::learn;
  if (!std::exchange(sweep_due_, false)) return std::nullopt;
  return DumpPurpose::sweep;
}

void Replica::on_dump(DumpPurpose purpose, std::span<const ConntrackEntry> entries,
                      std::span<const Expectation> expectations) {
  if (purpose == DumpPurpose::learn) {
    for (const ConntrackEntry& entry : entries) {
      if (filter_.covers(entry)) injector_.learn(entry);
    }
    return;
  }
  if (purpose != DumpPurpose::sweep || !injector_.index_complete()) return;
  for (const ConntrackEntry& entry : entries) {
    if (!filter_.covers(entry) || injector_.confirmed(entry.key, sweep_generation_)) continue;
    injector_.push(Destroy{.key = entry.key, .swept = true, .generation = sweep_generation_});
  }
  for (const Expectation& expectation : expectations) {
    if (!filter_.covers(expectation) || injector_.confirmed(expectation.key, sweep_generation_)) continue;
    injector_.push(DropExpectation{.key = expectation.key, .swept = true, .generation = sweep_generation_});
  }
}

void Replica::on_dump_end(Instant now, DumpPurpose purpose, bool complete) {
  if (!complete) {
    dump_not_before_ = now + kAfterFailedDump;
    (purpose == DumpPurpose::learn ? learn_due_ : sweep_due_) = true;
    return;
  }
  if (purpose != DumpPurpose::sweep) return;
  Mark swept = sweeping_;
  swept.kind = Mark::Kind::swept;
  injector_.push(swept);
}

std::optional<wire::Message> Replica::request_due(Instant now, const PeerState& peer, std::uint64_t session) {
  if (sealed_ || !obeys(peer)) {
    ask_at_.reset();
    return std::nullopt;
  }
  if (begun_ == From{.epoch = peer.source_epoch, .session = session}) {
    ask_at_.reset();
    if (!std::exchange(ask_again_, false)) return std::nullopt;
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
  if (begun_ != from) return {false, "waiting for the source's full send"};
  return {false, sweep_due_ ? "removing what the source does not have" : "receiving the source's full send"};
}

std::optional<Instant> Replica::next_deadline(bool can_send, bool can_dump) const {
  std::optional<Instant> next = can_send ? ask_at_ : std::nullopt;
  const bool dump = can_dump && !sealed_ && (learn_due_ || sweep_due_);
  if (dump && (!next || dump_not_before_ < *next)) next = dump_not_before_;
  return next;
}

}  // namespace ftfw::sync
