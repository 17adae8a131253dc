// Whose compare may hold the source's table in memory: one peer's at a time, so that a primary needs 12 bytes
// a flow for it however many standbys there are. Owned and asked by Engine. A slow or dead standby holds the
// turn for a while at most: its compare is given up when another peer waits, and it gets more patience with
// every turn that it lost.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "sync/peer.hpp"

namespace ftfw::sync {

class CompareTurn {
 public:
  // How long the others wait for a replica that has not read its table when the source has; doubled with
  // every turn that it lost.
  static constexpr Duration kPatience = 5s;
  static constexpr unsigned kMostDoublings = 4;  // then SourceCompare::kAnswerWithin ends it

  using Peers = std::vector<std::unique_ptr<Peer>>;

  // Before anything is begun: who holds the turn gives it up if it must.
  void settle(Peers& peers, Instant now);
  // Nobody holds it.
  bool free(const Peers& peers) const { return !holder(peers); }
  // In which order the peers are asked for what is due: the one after the last holder first.
  std::size_t first() const { return next_; }
  void taken(std::size_t peer, std::size_t peers) { next_ = (peer + 1) % peers; }
  // The holder's patience runs out, and somebody waits.
  std::optional<Instant> next_deadline(const Peers& peers) const;

 private:
  std::optional<std::size_t> holder(const Peers& peers) const;
  bool must_yield(const Peers& peers, std::size_t held, Instant now) const;
  Duration patience(std::size_t peer) const;

  std::size_t next_ = 0;
  std::array<unsigned, kMaxNodes> lost_in_a_row_{};
  std::array<std::uint64_t, kMaxNodes> finished_{};
};

}  // namespace ftfw::sync
