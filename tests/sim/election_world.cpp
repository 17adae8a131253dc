#include "tests/sim/election_world.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ftfw::sim {
namespace {

constexpr PathFaults kSound{};
// A packet's way there and back, the turns of both processes, and the spacing of answers.
constexpr Duration kSlack = 2 * kSound.delay_max + 1ms + vrrp::kAnswerSpacing;
// A settled election is watched for so many intervals more.
constexpr int kCalmIntervals = 10;

}  // namespace

void ElectionWorld::Since::update(Instant now, bool holds) {
  if (!holds) since.reset();
  if (holds && !since) since = now;
}

bool ElectionWorld::Since::longer_than(Instant now, Duration limit) const {
  return since && now - *since > limit;
}

ElectionWorld::ElectionWorld(std::uint64_t seed, const std::function<ElectionPlan(Random&)>& plan)
    : random_(seed), plan_(plan(random_)) {
  const std::size_t count = plan_.nodes.size();
  for (std::size_t leg = 0; leg < legs(); ++leg) {
    for (std::size_t pair = 0; pair < count * count; ++pair)
      wires_.push_back(std::make_unique<Wire>(Wire{.path = Path(queue_, random_)}));
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<IpAddress> addresses;
    for (const auto& of_leg : plan_.addresses) addresses.push_back(of_leg.at(i));
    const ElectionNode::Hooks hooks{
        .send = [this, i](const vrrp::SendAdvertisement& sent) { deliver(i, sent); },
        .changed =
            [this, i](const vrrp::StateChanged& changed) {
              ++changes_;
              note(fmt::format("node {}: {} ({})", i, to_string(changed.to),
                               to_string(changed.cause, plan_.nodes[i])));
              if (changed.to == vrrp::State::active) check_claim(i);
            },
        .violated = [this, i](const std::string& text) { violated(fmt::format("node {}: {}", i, text)); }};
    nodes_.push_back(
        std::make_unique<ElectionNode>(queue_, random_, plan_.nodes[i], std::move(addresses), hooks));

    const vrrp::Settings& settings = plan_.nodes[i];
    const Duration base = settings.version == 2 ? std::max<Duration>(1s, settings.advertisement_interval)
                                                : settings.advertisement_interval;
    skew_ = std::max(skew_, base);  // of priority 1: 255/256 of it
    down_ = std::max(down_, settings.missed_advertisements * settings.advertisement_interval + base);
    Duration up_delay{};
    for (const vrrp::RouterSettings& router : settings.routers)
      up_delay = std::max(up_delay, router.up_delay);
    configured_wait_ = std::max(configured_wait_, settings.startup_delay + up_delay);
    preemption_wait_ = std::max(preemption_wait_, settings.preempt_delay + settings.sync_wait);
    history_ +=
        fmt::format("  node {}: priority {}, version {}, interval {} ms x {}, preempt {}\n", i,
                    settings.priority, settings.version, in_milliseconds(settings.advertisement_interval),
                    settings.missed_advertisements, settings.preempt);
  }
  for (std::size_t leg = 0; leg < legs(); ++leg) {
    for (std::size_t from = 0; from < count; ++from) {
      for (std::size_t to = 0; to < count; ++to) {
        wire(leg, from, to).path.connect([this, leg, from, to](const ByteVector& packet) {
          const vrrp::RouterSettings& router = plan_.nodes[to].routers[leg];
          const IpAddress& destination =
              router.unicast.empty() ? vrrp::multicast_group(router.family()) : plan_.addresses[leg][to];
          nodes_[to]->receive(leg, plan_.addresses[leg][from], destination, packet);
        });
      }
    }
  }
  two_active_.resize(count * count);
  better_heard_.resize(count * count);
}

void ElectionWorld::deliver(std::size_t from, const vrrp::SendAdvertisement& sent) {
  for (std::size_t to = 0; to < nodes(); ++to) {
    const bool meant =
        sent.destination.is_multicast() || sent.destination == plan_.addresses[sent.router][to];
    if (to != from && meant) wire(sent.router, from, to).path.send(sent.packet);
  }
}

// ---- time

void ElectionWorld::run(Duration time) {
  const Instant until = queue_.now() + time;
  while (!violation_ && queue_.run_next(until)) check();
  if (!violation_) check();
}

void ElectionWorld::run_intervals(double count) {
  run(std::chrono::duration_cast<Duration>(count * interval()));
}

Duration ElectionWorld::interval() const {
  return plan_.nodes.front().advertisement_interval;
}

void ElectionWorld::run_until_settled() {
  // Silence is noticed, the first claim may be of the lowest priority, the better one then preempts.
  run(2 * (down_ + skew_) + configured_wait_ + preemption_wait_ + kSlack);
  if (violation_) return;
  check_result();
  const std::uint64_t changes = changes_;
  run_intervals(kCalmIntervals);
  if (changes_ != changes && !violation_) violated("the election was settled and changed again");
}

// ---- network

ElectionWorld::Wire& ElectionWorld::wire(std::size_t leg, std::size_t from, std::size_t to) {
  return *wires_.at((leg * plan_.nodes.size() + from) * plan_.nodes.size() + to);
}

const ElectionWorld::Wire& ElectionWorld::wire(std::size_t leg, std::size_t from, std::size_t to) const {
  return *wires_.at((leg * plan_.nodes.size() + from) * plan_.nodes.size() + to);
}

void ElectionWorld::cut(std::size_t leg, std::size_t from, std::size_t to) {
  wire(leg, from, to).path.cut();
}

void ElectionWorld::restore(std::size_t leg, std::size_t from, std::size_t to) {
  wire(leg, from, to).path.restore();
}

void ElectionWorld::set_faults(std::size_t leg, std::size_t from, std::size_t to, const PathFaults& faults) {
  Wire& one = wire(leg, from, to);
  one.path.set_faults(faults);
  one.faulty = true;
  one.slowest = std::max(one.slowest, faults.delay_max);
}

void ElectionWorld::mend(std::size_t leg, std::size_t from, std::size_t to) {
  Wire& one = wire(leg, from, to);
  one.path.set_faults(kSound);
  one.faulty = false;
  one.quiet_from = now() + one.slowest;
}

// ---- what is whole

bool ElectionWorld::reaches(std::size_t leg, std::size_t from, std::size_t to) const {
  const Wire& one = wire(leg, from, to);
  return !one.path.is_cut() && !one.faulty && now() >= one.quiet_from && nodes_[from]->running() &&
         nodes_[from]->link_up(leg) && nodes_[to]->link_up(leg);
}

bool ElectionWorld::whole(std::size_t leg, std::size_t a, std::size_t b) const {
  return reaches(leg, a, b) && reaches(leg, b, a);
}

bool ElectionWorld::can_hear_each_other(std::size_t a, std::size_t b) const {
  std::size_t count = 0;
  for (std::size_t leg = 0; leg < legs(); ++leg) count += whole(leg, a, b) ? 1U : 0U;
  const bool tie = nodes_[a]->expected_priority() == nodes_[b]->expected_priority();
  return tie ? count == legs() : count > 0;
}

bool ElectionWorld::everything_whole() const {
  for (std::size_t a = 0; a < nodes(); ++a) {
    if (!nodes_[a]->running() || nodes_[a]->released()) return false;
    for (std::size_t b = 0; b < nodes(); ++b) {
      for (std::size_t leg = 0; leg < legs(); ++leg) {
        if (a != b && !whole(leg, a, b)) return false;
      }
    }
  }
  return true;
}

// Whether it runs itself does not count: what it sleeps through is its own affair.
bool ElectionWorld::better_is_heard(std::size_t by, std::size_t better) const {
  if (by == better || !nodes_[better]->active()) return false;
  if (nodes_[better]->expected_priority() <= nodes_[by]->expected_priority()) return false;
  for (std::size_t leg = 0; leg < legs(); ++leg) {
    if (reaches(leg, better, by)) return true;
  }
  return false;
}

std::optional<std::size_t> ElectionWorld::primary() const {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < nodes(); ++i) {
    if (!nodes_[i]->active()) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

// ---- invariants

void ElectionWorld::check_claim(std::size_t by) {
  if (nodes_[by]->hardly_awake_for(2 * skew_ + kSlack)) return;
  if (nodes_[by]->lost_packets_unnoticed(down_ + interval() + configured_wait_ + kSlack, down_ + kSlack))
    return;
  if (nodes_[by]->heard_release_within(skew_ + kSlack)) return;
  for (std::size_t better = 0; better < nodes(); ++better) {
    const bool heard = better_heard_[by * nodes() + better].longer_than(now(), down_ + kSlack);
    if (heard && better_is_heard(by, better))
      violated(fmt::format("node {} claims although it hears the better node {}", by, better));
  }
}

void ElectionWorld::check() {
  for (std::size_t by = 0; by < nodes(); ++by) {
    for (std::size_t better = 0; better < nodes(); ++better) {
      better_heard_[by * nodes() + better].update(now(), better_is_heard(by, better));
    }
  }
  for (std::size_t a = 0; a < nodes(); ++a) {
    for (std::size_t b = a + 1; b < nodes(); ++b) {
      const bool both = nodes_[a]->active() && nodes_[b]->active() && can_hear_each_other(a, b);
      Since& since = two_active_[a * nodes() + b];
      since.update(now(), both);
      if (since.longer_than(now(), down_ + kSlack))
        return violated(fmt::format("nodes {} and {} are both Active and hear each other", a, b));
    }
  }
  const bool none =
      everything_whole() && std::ranges::none_of(nodes_, [](const auto& node) { return node->active(); });
  none_active_.update(now(), none);
  if (none_active_.longer_than(now(), down_ + skew_ + configured_wait_ + kSlack))
    violated("nothing is broken and no node is Active");
}

void ElectionWorld::check_result() {
  const auto active = primary();
  if (!active) return violated("after everything was whole there is not one Active node");
  const ElectionNode& best = *nodes_[*active];
  for (std::size_t i = 0; i < nodes(); ++i) {
    const ElectionNode& other = *nodes_[i];
    const vrrp::Engine* engine = other.engine();
    if (engine != nullptr && engine->effective_priority() != other.expected_priority())
      violated(fmt::format("node {} has priority {}, and {} is ours", i, engine->effective_priority(),
                           other.expected_priority()));
    if (other.settings().preempt && other.expected_priority() > best.expected_priority())
      violated(fmt::format("node {} is Active with priority {} although {} has {}", *active,
                           best.expected_priority(), i, other.expected_priority()));
  }
}

void ElectionWorld::violated(const std::string& text) {
  if (violation_) return;
  note("VIOLATION " + text);
  violation_ = text;
}

void ElectionWorld::record(const std::string& what) {
  note("-- " + what);
  none_active_.since.reset();
}

void ElectionWorld::note(const std::string& text) {
  history_ += fmt::format("  {:9.3f} s  {}\n", in_milliseconds(now() - Instant(1000h)) / 1000, text);
}

}  // namespace ftfw::sim
