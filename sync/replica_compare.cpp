#include "sync/replica_compare.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

void ReplicaCompare::begin(const wire::CompareBegin& begin) {
  abandon();
  phase_ = Phase::waiting;
  begin_ = begin;
  table_.begin(begin.salt, begin.left_out);
}

void ReplicaCompare::abandon() {
  phase_ = Phase::idle;
  begin_ = {};
  table_.clear();
  void_ = false;
  all_ = false;
  bits_ = 0;
  compared_ = 0;
  expected_ = 0;
  own_ = {};
  differing_ = {};
  messages_.clear();
}

void ReplicaCompare::touch(std::uint64_t place) {
  if (phase_ == Phase::idle || phase_ == Phase::comparing) return;
  if (!table_.touch(place)) void_ = true;
}

void ReplicaCompare::begin_dump(Instant now, std::uint32_t entries_per_second) {
  phase_ = Phase::reading;
  pace_ = Pace(now, begin_.hurried ? 0 : entries_per_second);
}

void ReplicaCompare::end_dump(bool complete) {
  if (!complete) {
    table_.forget_records();
    phase_ = Phase::waiting;
    return;
  }
  phase_ = Phase::read;
  messages_.emplace_back(wire::CompareReady{begin_.compare});
}

bool ReplicaCompare::on_digests(const wire::Digests& digests) {
  if (digests.compare != begin_.compare || digests.first != expected_) return false;
  if (phase_ == Phase::read && digests.first == 0) {
    bits_ = digests.bits;
    compared_ = std::size_t{1} << bits_;
    own_ = table_.digests(bits_);
    table_.clear();
    phase_ = Phase::comparing;
  }
  if (phase_ != Phase::comparing || digests.bits != bits_) return false;
  for (const std::uint32_t digest : digests.values) {
    if (own_[expected_] != digest) differing_.push_back(static_cast<std::uint32_t>(expected_));
    ++expected_;
  }
  if (expected_ != compared_) return false;
  own_ = {};
  answer();
  return true;
}

void ReplicaCompare::answer() {
  all_ = void_ || differing_.size() * 2 > compared_;
  if (all_) {
    messages_.emplace_back(wire::RangesWanted{.compare = begin_.compare, .last = true, .all = true});
    return;
  }
  std::size_t sent = 0;
  do {
    const std::size_t count = std::min(differing_.size() - sent, wire::kValuesInMessage);
    const auto from = differing_.begin() + static_cast<std::ptrdiff_t>(sent);
    sent += count;
    messages_.emplace_back(wire::RangesWanted{.compare = begin_.compare,
                                              .ranges = {from, from + static_cast<std::ptrdiff_t>(count)},
                                              .last = sent == differing_.size()});
  } while (sent != differing_.size());
}

RangeSet ReplicaCompare::ranges() const {
  RangeSet set(begin_.salt, bits_);
  for (const std::uint32_t range : differing_) set.insert(range);
  return set;
}

std::optional<wire::Message> ReplicaCompare::next_message() {
  if (messages_.empty()) return std::nullopt;
  wire::Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

}  // namespace ftfw::sync
