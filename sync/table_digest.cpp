#include "sync/table_digest.hpp"

#include <array>
#include <unordered_map>

#include "sync/hash.hpp"

namespace ftfw::sync {
namespace {

constexpr std::uint32_t kComparedStatus = status::kSeenReply | status::kAssured;

// The finalizer of MurmurHash3: every bit of the input moves every bit of the result.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ value >> 33) * 0xff51afd7ed558ccd;
  value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53;
  return value ^ value >> 33;
}

// What content_of() hashes, without allocation.
class Input {
 public:
  void number(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) byte(static_cast<std::uint8_t>(value >> 8 * i));
  }
  void span(ByteSpan bytes) {
    number(bytes.size(), 2);
    for (const std::uint8_t value : bytes) byte(value);
  }
  void tuple(const Tuple& tuple) {
    number(static_cast<std::uint8_t>(tuple.source.family()), 1);
    span(tuple.source.bytes());
    span(tuple.destination.bytes());
    number(tuple.source_port, 2);
    number(tuple.destination_port, 2);
  }
  std::uint64_t finish() const { return hash_of(ByteSpan{bytes_.data(), used_}); }

 private:
  // Whatever a message can carry fits: two tuples, 128 bytes of labels, a helper's name and 60 bytes of
  // numbers. What a kernel might invent beyond that is left out, on both sides alike.
  void byte(std::uint8_t value) {
    if (used_ < bytes_.size()) bytes_[used_++] = value;
  }
  std::array<std::uint8_t, 384> bytes_;
  std::size_t used_ = 0;
};

ByteSpan without_trailing_zeros(const std::vector<std::uint8_t>& labels) {
  std::size_t size = labels.size();
  while (size != 0 && labels[size - 1] == 0) --size;
  return {labels.data(), size};
}

// Absent, or a kernel's extension that nothing was written to: the same.
void add_sequence_adjustment(const ConntrackEntry& entry, Input& input) {
  if (!entry.sequence_adjustment || *entry.sequence_adjustment == std::array<SequenceAdjustment, 2>{}) return;
  input.number('a', 1);
  for (const SequenceAdjustment& direction : *entry.sequence_adjustment) {
    input.number(direction.position, 4);
    input.number(direction.offset_before, 4);
    input.number(direction.offset_after, 4);
  }
}

void add_synproxy(const ConntrackEntry& entry, Input& input) {
  if (!entry.synproxy || *entry.synproxy == Synproxy{}) return;
  input.number('p', 1);
  input.number(entry.synproxy->initial_sequence, 4);
  input.number(entry.synproxy->initial_timestamp, 4);
  input.number(entry.synproxy->timestamp_offset, 4);
}

void add_protocol_state(const ConntrackEntry& entry, Input& input) {
  if (entry.tcp) input.number(static_cast<std::uint8_t>(entry.tcp->state), 1);
  if (entry.sctp) {
    input.number(entry.sctp->state, 1);
    input.number(entry.sctp->tag_original, 4);
    input.number(entry.sctp->tag_reply, 4);
  }
  if (entry.dccp) {
    input.number(entry.dccp->state, 1);
    input.number(entry.dccp->role, 1);
    input.number(entry.dccp->handshake_sequence, 8);
  }
}

}  // namespace

std::uint64_t place_of(const EntryKey& key) {
  return hash_of(key);
}

std::uint64_t place_of(const ExpectationKey& key) {
  return hash_of(key) ^ kExpectationSalt;
}

std::uint32_t RangeSet::range_of(std::uint64_t place, std::uint64_t salt, unsigned bits) {
  return bits == 0 ? 0 : static_cast<std::uint32_t>(mixed(place ^ salt) >> (64 - bits));
}

std::uint32_t content_of(const ConntrackEntry& entry, bool with_master, std::uint64_t salt,
                         LeftOut left_out) {
  Input input;
  input.number(salt, 8);
  input.tuple(entry.reply);
  input.number(entry.reply_key().zone, 2);
  input.number(entry.status.value_or(0) & kComparedStatus, 1);
  input.number(entry.mark.value_or(0), 4);
  add_protocol_state(entry, input);
  add_sequence_adjustment(entry, input);
  add_synproxy(entry, input);
  if (!left_out.labels) {
    input.number('l', 1);
    input.span(without_trailing_zeros(entry.labels));
  }
  if (!left_out.helpers) {
    input.number('h', 1);
    input.span({reinterpret_cast<const std::uint8_t*>(entry.helper.data()), entry.helper.size()});
  }
  if (with_master && entry.master) {
    input.number('m', 1);
    input.tuple(*entry.master);
  }
  return static_cast<std::uint32_t>(input.finish());
}

void TableDigest::begin(std::uint64_t salt, LeftOut left_out) {
  clear();
  salt_ = salt;
  left_out_ = left_out;
}

void TableDigest::clear() {
  forget_records();
  touched_.clear();
}

void TableDigest::forget_records() {
  places_ = {};
  contents_ = {};
  related_ = {};
}

bool TableDigest::add(const ConntrackEntry& entry) {
  if (size() >= kMaxRecords) return false;
  const std::uint64_t place = place_of(entry.key);
  const std::uint32_t alone = content_of(entry, false, salt_, left_out_);
  if (entry.master) {
    related_.push_back({.place = place,
                        .master = place_of(EntryKey{.original = *entry.master, .zone = entry.key.zone}),
                        .alone = alone,
                        .with_master = content_of(entry, true, salt_, left_out_)});
    return true;
  }
  places_.push_back(place);
  contents_.push_back(alone);
  return true;
}

bool TableDigest::add(const Expectation& expectation) {
  if (size() >= kMaxRecords) return false;
  places_.push_back(place_of(expectation.key));
  Input master;
  master.number(salt_, 8);
  master.tuple(expectation.master);
  contents_.push_back(static_cast<std::uint32_t>(master.finish()));
  return true;
}

std::size_t TableDigest::bytes() const {
  return places_.size() * (sizeof(std::uint64_t) + sizeof(std::uint32_t)) +
         related_.size() * sizeof(Related) + touched_.bytes();
}

unsigned TableDigest::suitable_bits() const {
  unsigned bits = 0;
  while (bits < kMaxRangeBits && size() > kEntriesPerRange << bits) ++bits;
  return bits;
}

std::vector<std::uint32_t> TableDigest::digests(unsigned bits) const {
  std::vector<std::uint32_t> sums(std::size_t{1} << bits);
  const auto count = [&](std::uint64_t place, std::uint32_t content) {
    if (touched(place)) return;
    const std::uint64_t item = mixed(place ^ mixed(salt_ + content));
    sums[RangeSet::range_of(place, salt_, bits)] += static_cast<std::uint32_t>(item >> 32);
  };
  std::unordered_map<std::uint64_t, bool> masters;  // and whether each is there
  for (const Related& related : related_) masters.emplace(related.master, false);
  const auto note = [&masters](std::uint64_t place) {
    const auto found = masters.find(place);
    if (found != masters.end()) found->second = true;
  };
  if (!masters.empty()) {
    for (const std::uint64_t place : places_) note(place);
    for (const Related& related : related_) note(related.place);
  }
  for (std::size_t i = 0; i < places_.size(); ++i) count(places_[i], contents_[i]);
  for (const Related& related : related_) {
    if (touched(related.master)) continue;  // whether it is there depends on when one looks
    count(related.place, masters[related.master] ? related.with_master : related.alone);
  }
  return sums;
}

}  // namespace ftfw::sync
