// The replica's half of a compare: its own kernel's table condensed to digests, held against the source's,
// and which ranges differ. One at a time; Replica owns it and tells it what was received and what was read.
// The kernel is read each time because it is the truth: entries vanish from it by themselves or by an
// operator.
//
//   idle -> waiting (for what came before it to be in the kernel) -> reading -> read -> comparing -> idle
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "sync/pace.hpp"
#include "sync/table_digest.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

class ReplicaCompare {
 public:
  void begin(const wire::CompareBegin& begin);
  void abandon();
  bool running() const { return phase_ != Phase::idle; }
  std::size_t bytes() const { return table_.bytes() + own_.size() * sizeof(std::uint32_t); }
  std::uint64_t number() const { return begin_.compare; }

  // A message that names this key came.
  void touch(std::uint64_t place);
  bool touched(std::uint64_t place) const { return table_.touched(place); }

  // What came before it is in the kernel: the dump begins; again if one failed.
  void begin_dump(Instant now, std::uint32_t entries_per_second);
  bool reading() const { return phase_ == Phase::reading; }
  bool has_room(Instant now) const { return pace_.allows(now); }
  Instant reading_deadline() const { return pace_.allowed_at(); }
  template <typename Item>
  void add(const Item& item) {
    pace_.done();
    if (!table_.add(item)) void_ = true;
  }
  void end_dump(bool complete);

  // True: these were the last. What is to be answered then is in next_answer().
  bool on_digests(const wire::Digests& digests);
  std::size_t differing() const { return all_ ? compared_ : differing_.size(); }
  std::size_t compared() const { return compared_; }
  // For the sweep of these ranges.
  RangeSet ranges() const;

  // Messages to the source that are due.
  std::optional<wire::Message> next_message();

 private:
  enum class Phase : std::uint8_t { idle, waiting, reading, read, comparing };
  void answer();

  Phase phase_ = Phase::idle;
  wire::CompareBegin begin_;
  Pace pace_;
  TableDigest table_;
  bool void_ = false;  // a limit was hit: the answer is "all"
  bool all_ = false;
  unsigned bits_ = 0;
  std::size_t compared_ = 0;
  std::size_t expected_ = 0;  // the range that the next digests begin with
  std::vector<std::uint32_t> own_;
  std::vector<std::uint32_t> differing_;
  std::deque<wire::Message> messages_;
};

}  // namespace ftfw::sync
