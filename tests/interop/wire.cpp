#include "tests/interop/wire.hpp"

#include <algorithm>

#include "appliance/base/clock.hpp"

namespace ftfw::interop {

using lab::Node;
using lab::Sighting;

Wire::Wire(const lab::AdvertisementCapture& capture, Dialect dialect)
    : capture_(capture), dialect_(std::move(dialect)) {}

std::vector<Instant> Wire::times(Node node, const Leg& leg, Kind kind, std::size_t mark) const {
  std::vector<Instant> result;
  for (const Sighting& seen : capture_.since(mark)) {
    if (seen.node != node || seen.interface != leg.interface || seen.router_id != leg.id) continue;
    if ((seen.priority == 0) == (kind == Kind::release)) result.push_back(seen.at);
  }
  return result;
}

std::optional<Instant> Wire::first(Node node, const Leg& leg, Kind kind, std::size_t mark) const {
  const std::vector<Instant> all = times(node, leg, kind, mark);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

std::optional<Instant> Wire::last(Node node, const Leg& leg, Kind kind, std::size_t mark) const {
  const std::vector<Instant> all = times(node, leg, kind, mark);
  return all.empty() ? std::nullopt : std::optional(all.back());
}

bool Wire::all_legs(Node node, Kind kind, std::size_t mark) const {
  return std::ranges::all_of(dialect_.legs,
                             [&](const Leg& leg) { return first(node, leg, kind, mark).has_value(); });
}

bool Wire::no_leg(Node node, Kind kind, std::size_t mark) const {
  return std::ranges::none_of(dialect_.legs,
                              [&](const Leg& leg) { return first(node, leg, kind, mark).has_value(); });
}

bool Wire::only(Node node) const {
  const Instant now = monotonic_now();
  for (const Leg& leg : dialect_.legs) {
    const auto own = last(node, leg, Kind::claim, 0);
    const auto other = last(lab::other_firewall(node), leg, Kind::claim, 0);
    if (!own || now - *own > 2 * dialect_.interval) return false;
    if (other && now - *other < 3 * dialect_.interval) return false;
  }
  return true;
}

std::optional<Duration> Wire::change(Node before, Node after, std::size_t mark) const {
  std::optional<Duration> worst;
  for (const Leg& leg : dialect_.legs) {
    const auto last_of_old = last(before, leg, Kind::claim, 0);
    const auto first_of_new = first(after, leg, Kind::claim, mark);
    if (!last_of_old || !first_of_new) return std::nullopt;
    worst = std::max(worst.value_or(Duration::min()), *first_of_new - *last_of_old);
  }
  return worst;
}

Duration Wire::overlap(Node winner, std::size_t mark) const {
  Duration worst{};
  for (const Leg& leg : dialect_.legs) {
    const auto begin = first(winner, leg, Kind::claim, mark);
    const auto end = last(lab::other_firewall(winner), leg, Kind::claim, mark);
    if (begin && end) worst = std::max(worst, *end - *begin);
  }
  return worst;
}

Duration Wire::longest_silence(std::size_t mark) const {
  Duration worst{};
  for (const Leg& leg : dialect_.legs) {
    std::vector<Instant> all = times(Node::fw_1, leg, Kind::claim, mark);
    for (const Instant at : times(Node::fw_2, leg, Kind::claim, mark)) all.push_back(at);
    std::ranges::sort(all);
    for (std::size_t i = 1; i < all.size(); ++i) worst = std::max(worst, all[i] - all[i - 1]);
  }
  return worst;
}

}  // namespace ftfw::interop
