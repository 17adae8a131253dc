#include "sync/source.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

namespace ftfw::sync {
namespace {

// A dump leaves out the protocol state of a flow in a flowtable (ctnetlink_dump_info); only established ones
// are there.
bool offloaded_tcp(const ConntrackEntry& entry) {
  return entry.key.original.protocol == IPPROTO_TCP && !entry.tcp &&
         (entry.status.value_or(0) & (status::kOffload | status::kHardwareOffload)) != 0;
}

}  // namespace

Source::Source(const Settings& settings, const Filter& filter, Counters& counters)
    : settings_(settings), filter_(filter), counters_(counters) {}

void Source::start(Instant now) {
  active_ = true;
  needs_full_send();
  not_before_ = now;
}

void Source::stop() {
  needs_full_send();
  active_ = false;
}

void Source::needs_full_send() {
  if (full_.running()) ++counters_.full_sends_abandoned;
  outbox_.clear();
  full_.abandon();
  streaming_ = false;
  end_placed_ = false;
  due_ = true;
}

void Source::on_new_session(Instant now) {
  if (!active_) return;
  needs_full_send();
  not_before_ = now;
}

void Source::on_full_send_request(Instant now, bool restart) {
  if (!active_) return;
  ++counters_.full_sends_requested;
  if (restart && full_.running()) {
    full_.abandon();
    end_placed_ = false;
    ++counters_.full_sends_abandoned;
  }
  due_ = true;
  not_before_ = std::max(not_before_, now);
}

void Source::on_overrun(Instant now) {
  ++counters_.overruns;
  if (!active_) return;
  // Destroys may be among what was lost: what the running dump holds cannot be trusted any more.
  on_full_send_request(now, true);
  --counters_.full_sends_requested;
}

void Source::on_event(const Event& event) {
  ++counters_.events;
  if (!active_) {
    ++counters_.events_of_replica;
    return;
  }
  if (const auto* conntrack = std::get_if<ConntrackEvent>(&event)) on_conntrack(*conntrack);
  if (const auto* expectation = std::get_if<ExpectationEvent>(&event)) on_expectation(*expectation);
}

void Source::on_conntrack(const ConntrackEvent& event) {
  if (!filter_.covers(event.entry) || !filter_.established_enough(event.entry)) {
    ++counters_.events_filtered;
    return;
  }
  stream(event);
}

void Source::on_expectation(const ExpectationEvent& event) {
  if (!filter_.covers(event.expectation)) {
    ++counters_.events_filtered;
    return;
  }
  stream(event);
}

template <typename Event>
void Source::stream(const Event& event) {
  if (!streaming_) {
    ++counters_.events_before_send;
    return;
  }
  if (!full_.touch(event)) {
    ++counters_.touched_overflows;
    needs_full_send();
  } else if (!outbox_.push(event)) {
    ++counters_.outbox_overflows;
    ++overflows_;
    needs_full_send();
  }
}

bool Source::begin_when_due(Instant now, std::uint64_t send) {
  if (!active_ || full_.running() || now < not_before_) return false;
  if (!due_ && now < next_compare_) return false;
  full_.begin(now, send, due_ ? 0 : settings_.compare_entries_per_second);
  ++counters_.full_sends;
  due_ = false;
  streaming_ = true;
  end_placed_ = false;
  not_before_ = now + kBetweenFullSends;
  return true;
}

void Source::on_dump(std::span<const ConntrackEntry> entries, std::span<const Expectation> expectations) {
  for (const ConntrackEntry& entry : entries) {
    if (!filter_.covers(entry) || !filter_.established_enough(entry)) continue;
    if (!offloaded_tcp(entry)) {
      full_.add(entry);
      continue;
    }
    ConntrackEntry established = entry;
    established.tcp = TcpInfo{.state = TcpState::established};
    full_.add(established);
  }
  for (const Expectation& expectation : expectations) {
    if (filter_.covers(expectation)) full_.add(expectation);
  }
  counters_.held_overflows = full_.held_overflows();
  counters_.part_overflows = full_.part_overflows();
}

void Source::on_dump_end(Instant now, bool complete) {
  if (!full_.running()) return;
  if (complete) return full_.end_dump();
  full_.abandon();
  ++counters_.full_sends_abandoned;
  due_ = true;
  not_before_ = now + kAfterFailedDump;
}

std::optional<wire::Message> Source::next(Instant now) {
  if (!active_) return std::nullopt;
  std::optional<wire::Message> message = full_.take_begin();
  if (!message && events_in_a_row_ >= kEventsPerDumped) message = next_dumped(now);
  if (message) {
    events_in_a_row_ = 0;
  } else if ((message = outbox_.pop())) {
    ++events_in_a_row_;
  } else {
    message = next_dumped(now);
  }
  if (message) count(*message);
  counters_.events_coalesced = outbox_.coalesced();
  return message;
}

std::optional<wire::Message> Source::next_dumped(Instant now) {
  if (auto message = full_.next(now)) return message;
  if (!full_.drained()) return std::nullopt;
  // Events that touched a key instead of its dumped entry go before the end, or the peer would sweep the
  // entry.
  if (!std::exchange(end_placed_, true)) end_after_ = outbox_.tail();
  if (outbox_.head() < end_after_) return std::nullopt;
  end_placed_ = false;
  next_compare_ = now + settings_.compare_interval;
  last_finished_ = now;
  ++counters_.full_sends_finished;
  return full_.finish();
}

void Source::count(const wire::Message& message) {
  if (std::holds_alternative<wire::Entry>(message)) ++counters_.entries_sent;
  if (std::holds_alternative<wire::Destroyed>(message)) ++counters_.destroys_sent;
  if (std::holds_alternative<wire::Expected>(message)) ++counters_.expectations_sent;
}

std::optional<Instant> Source::next_deadline(bool can_send, bool can_dump) const {
  if (!active_ || !can_send) return std::nullopt;
  if (full_.running()) return full_.pace_deadline();
  if (!can_dump) return std::nullopt;
  return due_ ? not_before_ : std::max(next_compare_, not_before_);
}

}  // namespace ftfw::sync
