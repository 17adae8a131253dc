#include "sync/compare_turn.hpp"

#include <algorithm>

namespace ftfw::sync {
namespace {

bool somebody_waits(const CompareTurn::Peers& peers, bool hurried) {
  return std::ranges::any_of(peers, [hurried](const auto& peer) {
    return peer->source.waits_for_turn() && peer->session.can_send() && (!hurried || peer->source.hurried());
  });
}

}  // namespace

std::optional<std::size_t> CompareTurn::holder(const Peers& peers) const {
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (peers[i]->source.compare().holds_table()) return i;
  }
  return std::nullopt;
}

Duration CompareTurn::patience(std::size_t peer) const {
  return kPatience * (1U << std::min(lost_in_a_row_[peer], kMostDoublings));
}

bool CompareTurn::must_yield(const Peers& peers, std::size_t held, Instant now) const {
  const Peer& peer = *peers[held];
  if (!somebody_waits(peers, false)) return false;
  if (!peer.session.peer().alive) return true;
  // A periodic one makes way for what somebody waits for, once.
  if (!peer.source.hurried() && lost_in_a_row_[held] == 0 && somebody_waits(peers, true)) return true;
  const auto since = peer.source.compare().waits_since();
  return since && now - *since >= patience(held);
}

void CompareTurn::settle(Peers& peers, Instant now) {
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const std::uint64_t finished = peers[i]->counters.compares_finished;
    if (std::exchange(finished_[i], finished) != finished) lost_in_a_row_[i] = 0;
  }
  const auto held = holder(peers);
  if (!held || !must_yield(peers, *held, now)) return;
  ++lost_in_a_row_[*held];
  peers[*held]->source.yield(now);
}

std::optional<Instant> CompareTurn::next_deadline(const Peers& peers) const {
  if (!somebody_waits(peers, false)) return std::nullopt;
  const auto held = holder(peers);
  if (!held) return Instant{};  // at once
  const auto since = peers[*held]->source.compare().waits_since();
  return since ? std::optional(*since + patience(*held)) : std::nullopt;
}

}  // namespace ftfw::sync
