#include "sync/source_compare.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

void SourceCompare::begin(Instant now, const wire::CompareBegin& begin, std::uint32_t entries_per_second) {
  abandon();
  phase_ = Phase::reading;
  begin_ = begin;
  begin_due_ = true;
  pace_ = Pace(now, entries_per_second);
  table_.begin(begin.salt, begin.left_out);
}

void SourceCompare::abandon() {
  phase_ = Phase::idle;
  begin_due_ = false;
  dump_ended_ = false;
  peer_ready_ = false;
  deadline_.reset();
  table_.clear();
  bits_ = 0;
  digests_ = {};
  sent_ = 0;
  left_out_some_ = false;
  wanted_ = 0;
  ranges_ = {};
}

bool SourceCompare::touch(const wire::Message& message) {
  if (phase_ != Phase::reading || begin_due_) return true;
  const auto place = place_of(message);
  return !place || table_.touch(*place);
}

void SourceCompare::end_dump(Instant now) {
  dump_ended_ = true;
  send_not_before_ = now + kCaptureGrace;
  deadline_ = now + kAnswerWithin;
}

void SourceCompare::on_ready(const wire::CompareReady& ready) {
  if (ready.compare == begin_.compare) peer_ready_ = true;
}

std::optional<wire::Message> SourceCompare::take_begin() {
  if (!std::exchange(begin_due_, false)) return std::nullopt;
  return begin_;
}

bool SourceCompare::ready_to_send(Instant now) const {
  if (phase_ == Phase::sending) return true;
  return phase_ == Phase::reading && dump_ended_ && peer_ready_ && now >= send_not_before_;
}

std::optional<wire::Message> SourceCompare::next_digests() {
  if (phase_ == Phase::reading) {
    bits_ = table_.suitable_bits();
    digests_ = table_.digests(bits_);
    left_out_some_ = table_.touched_keys() != 0;
    table_.clear();
    ranges_ = RangeSet(begin_.salt, bits_);
    phase_ = Phase::sending;
  }
  if (phase_ != Phase::sending) return std::nullopt;
  const std::size_t count = std::min(digests_.size() - sent_, wire::kValuesInMessage);
  const auto from = digests_.begin() + static_cast<std::ptrdiff_t>(sent_);
  wire::Digests message{.compare = begin_.compare,
                        .bits = static_cast<std::uint8_t>(bits_),
                        .first = static_cast<std::uint32_t>(sent_),
                        .values = {from, from + static_cast<std::ptrdiff_t>(count)}};
  sent_ += count;
  if (sent_ == digests_.size()) {
    digests_ = {};
    phase_ = Phase::asked;
  }
  return message;
}

std::optional<CompareAnswer> SourceCompare::on_wanted(const wire::RangesWanted& wanted) {
  if (phase_ != Phase::asked || wanted.compare != begin_.compare) return std::nullopt;
  const std::size_t compared = std::size_t{1} << bits_;
  for (const std::uint32_t range : wanted.ranges) {
    if (range >= compared) continue;
    ranges_.insert(range);
    ++wanted_;
  }
  if (!wanted.last) return std::nullopt;
  CompareAnswer answer{.all = wanted.all,
                       .wanted = wanted.all ? compared : wanted_,
                       .compared = compared,
                       .left_out_some = left_out_some_,
                       .ranges = std::move(ranges_)};
  abandon();
  return answer;
}

std::optional<Instant> SourceCompare::next_deadline() const {
  if (!running()) return std::nullopt;
  if (phase_ == Phase::reading && dump_ended_ && peer_ready_) return send_not_before_;
  return deadline_;
}

}  // namespace ftfw::sync
