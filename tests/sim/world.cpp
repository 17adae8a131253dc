#include "tests/sim/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace ftfw::sim {
namespace {

constexpr Duration kInterval = 100ms;
// Two holders of the addresses on networks that pass advertisements: one down interval and a few lost
// packets.
constexpr Duration kTwoHoldersLimit = 10 * kInterval;
// Lease with a peer alive, and the kernel's second; the lease of a lone node is longer, but then nobody else
// holds them.
constexpr Duration kLeaseLimit = 4s;
// Down interval and skew, the one grace of a node that was late itself, and a few lost packets.
constexpr Duration kNoServiceLimit = 12 * kInterval;
constexpr Duration kSettleLimit = 75s;  // a node that is not in sync blocks preemption for up to a minute
// Longest time that an undisturbed pair may take to replicate a change, and what counts as undisturbed.
constexpr Duration kReplicationLimit = 1s;
constexpr Duration kQuietTime = 8s;
constexpr Duration kInFlight = 20ms;
constexpr Duration kClientPace = 20ms;
constexpr std::size_t kMaxFlows = 60;

config::Config reference_pair() {
  config::Config config;
  config.nodes = {
      {.name = "fw-1", .priority = 100, .replication_address = IpAddress::ipv4({192, 168, 100, 100})},
      {.name = "fw-2", .priority = 80, .replication_address = IpAddress::ipv4({192, 168, 100, 200})}};
  config.vrrp.version = 3;
  config.vrrp.advertisement_interval = kInterval;
  config.group.name = "G1";
  config.group.routers = {{.name = "VI_1",
                           .interface = "eth1",
                           .id = 61,
                           .addresses = {{.address = {IpAddress::ipv4({192, 168, 2, 100}), 32}}}},
                          {.name = "VI_2",
                           .interface = "eth0",
                           .id = 62,
                           .addresses = {{.address = {IpAddress::ipv4({192, 168, 0, 100}), 32}}}}};
  config.replication.protocols = {6};
  config.replication.compare_interval = 3s;
  return config;
}

// What travels, drawn by the seed alone: two of three worlds are as usual.
void draw_travel(std::uint64_t seed, config::Replication& replication) {
  Random random(seed);
  if (!chance(random, 0.34)) return;
  if (chance(random, 0.6)) replication.minimum_age = between(random, 50ms, 1500ms);
  if (chance(random, 0.5)) replication.tcp_states = {3, 4};  // established, fin_wait
  if (chance(random, 0.5)) replication.excluded_networks = {*IpPrefix::parse("10.9.0.0/16")};
}

IpAddress source_on(std::size_t leg, std::size_t node) {
  return IpAddress::ipv4({192, 168, static_cast<std::uint8_t>(leg), static_cast<std::uint8_t>(node + 1)});
}

// Source-translated as the reference ruleset does it.
sync::ConntrackEntry new_entry(std::uint64_t number) {
  const auto port = static_cast<std::uint16_t>(1024 + number % 60000);
  sync::ConntrackEntry entry;
  entry.key.original = {.source = IpAddress::ipv4({192, 168, 2, 3}),
                        .destination = IpAddress::ipv4({192, 168, 0, 3}),
                        .protocol = 6,
                        .source_port = port,
                        .destination_port = 80};
  entry.reply = entry.key.original.inverse();
  entry.reply.destination = IpAddress::ipv4({192, 168, 0, 100});
  entry.status = sync::status::kConfirmed | sync::status::kSeenReply | sync::status::kAssured |
                 sync::status::kSourceNat | sync::status::kSourceNatDone | sync::status::kDestinationNatDone;
  entry.timeout_s = 432000;
  entry.tcp =
      sync::TcpInfo{.state = sync::TcpState::established, .flags_original = 0x03, .flags_reply = 0x03};
  return entry;
}

std::string describe(const Node& node) {
  const sync::Progress progress = node.process()->replication.progress();
  const sync::Counters& counters = node.process()->replication.counters();
  return fmt::format(
      "{}: {}, epoch {}, in sync {} ({}), index {}, unacknowledged {}, waiting {}; full sends {}/{} received "
      "{}, stale {}, "
      "refused by role {}, updated {}, incomplete {}, refusals {}, channel {}",
      node.name(), progress.role == sync::Role::source ? "source" : "replica", progress.epoch,
      progress.in_sync, progress.reason, progress.index_entries, progress.peers.front().unacknowledged_frames,
      progress.peers.front().pending_events, counters.full_sends, counters.full_sends_finished,
      counters.full_sends_received, counters.stale_epoch, counters.refused_by_role, counters.updated,
      counters.incomplete, counters.other_refusals, node.channel_up(0));
}

// A packet of a known flow; now and then it changes something that an event reports.
bool packet_passes(FakeConntrack& table, const sync::EntryKey& key) {
  return table.traffic_updates(key,
                               [](sync::ConntrackEntry& entry) { entry.mark = entry.mark.value_or(0) + 1; });
}

}  // namespace

World::World(std::uint64_t seed, unsigned mode) : random_(seed) {
  config::Config config = reference_pair();
  draw_travel(seed, config.replication);
  minimum_age_ = config.replication.minimum_age;
  if (!config.replication.excluded_networks.empty()) excluded_ = config.replication.excluded_networks.front();
  for (std::size_t i = 0; i < 2; ++i) {
    const bool caches = (mode >> i & 1U) != 0;
    config.replication.standby = caches ? config::StandbyMode::cache : config::StandbyMode::kernel;
    nodes_.push_back(std::make_unique<Node>(queue_, random_, config, i));
  }
  for (std::size_t i = 0; i < 2 * kLegs; ++i) legs_.push_back(std::make_unique<Path>(queue_, random_));
  for (std::size_t i = 0; i < 2; ++i) dedicated_.push_back(std::make_unique<Path>(queue_, random_));
  for (std::size_t from = 0; from < 2; ++from) {
    Node& to = *nodes_[1 - from];
    Node::Wires wires;
    for (std::size_t leg = 0; leg < kLegs; ++leg) {
      leg_path(from, leg).connect([&to, leg, source = source_on(leg, from)](const ByteVector& packet) {
        if (to.leg_up(leg)) to.on_advertisement(leg, source, packet);
      });
      wires.legs.push_back({&leg_path(from, leg)});
    }
    dedicated_path(from).connect([&to](const ByteVector& frame) { to.on_frame(0, frame); });
    wires.dedicated = {&dedicated_path(from)};
    nodes_[from]->connect(std::move(wires));
    nodes_[from]->on_announcement = [this, from] { note_move(from); };
    nodes_[from]->on_change = [this, from](const std::string& what) {
      record(fmt::format("fw-{} {}", from + 1, what));
    };
  }
  start(0);
  start(1);
  queue_.after(kClientPace, [this] { client_acts(); });
  queue_.after(20ms, [this] { try_handshake(); });
}

bool World::excluded(const sync::EntryKey& key) const {
  return excluded_ && excluded_->contains(key.original.destination);
}

void World::run(Duration time) {
  const Instant until = queue_.now() + time;
  while (!violation_ && queue_.next_due(until)) {
    queue_.run_next(until);
    check();
  }
  if (!violation_) queue_.run_next(until);
}

void World::run_until_settled() {
  last_fault_ = queue_.now();
  const Instant deadline = queue_.now() + kSettleLimit;
  std::string why;
  clients_pause_ = true;  // tables can only be compared while nothing changes them
  while (!violation_ && queue_.now() < deadline) {
    run(250ms);
    if (!primary())
      why = "not exactly one primary";
    else
      why = table_difference();
    if (why.empty()) break;
  }
  clients_pause_ = false;
  if (violation_ || why.empty()) return;
  for (const auto& node : nodes_) {
    if (node->running()) record(describe(*node));
  }
  violated("not settled: " + why);
}

// ---- faults

void World::crash(std::size_t node) {
  record("crash " + std::to_string(node));
  note_failure(node);
  nodes_.at(node)->crash();
  association_.at(node) = 0;
}

void World::reboot(std::size_t node) {
  record("reboot " + std::to_string(node));
  note_failure(node);
  nodes_.at(node)->reboot();
  association_.at(node) = 0;
}

void World::start(std::size_t node) {
  record("start " + std::to_string(node));
  last_fault_ = queue_.now();
  nodes_.at(node)->start();
}

void World::stall(std::size_t node) {
  record("stall " + std::to_string(node));
  note_failure(node);
  nodes_.at(node)->stall();
}

void World::resume(std::size_t node) {
  record("resume " + std::to_string(node));
  last_fault_ = queue_.now();
  nodes_.at(node)->resume();
}

void World::stop_gracefully(std::size_t node) {
  record("stop_gracefully " + std::to_string(node));
  note_failure(node);
  nodes_.at(node)->stop_gracefully();
  association_.at(node) = 0;
}

void World::cut_leg(std::size_t node, std::size_t leg) {
  record(fmt::format("cut_leg {} {}", node, leg));
  note_failure(node);
  leg_path(node, leg).cut();
  leg_path(1 - node, leg).cut();
  nodes_.at(node)->set_leg(leg, false);
}

void World::restore_leg(std::size_t node, std::size_t leg) {
  record(fmt::format("restore_leg {} {}", node, leg));
  last_fault_ = queue_.now();
  leg_path(node, leg).restore();
  leg_path(1 - node, leg).restore();
  nodes_.at(node)->set_leg(leg, true);
}

void World::mute_leg(std::size_t from, std::size_t leg, bool muted) {
  record(fmt::format("mute_leg {} {} {}", from, leg, muted));
  note_failure(from);
  if (muted)
    leg_path(from, leg).cut();
  else
    leg_path(from, leg).restore();
}

void World::cut_dedicated(bool cut) {
  for (std::size_t from = 0; from < 2; ++from) mute_dedicated(from, cut);
}

void World::mute_dedicated(std::size_t from, bool muted) {
  record(fmt::format("mute_dedicated {} {}", from, muted));
  note_failure(from);
  if (muted)
    dedicated_path(from).cut();
  else
    dedicated_path(from).restore();
}

void World::set_dedicated_faults(const PathFaults& faults) {
  record(fmt::format("dedicated link: loss {}", faults.loss));
  for (const auto& path : dedicated_) path->set_faults(faults);
}

void World::set_leg_faults(const PathFaults& faults) {
  record(fmt::format("legs: loss {}", faults.loss));
  for (const auto& path : legs_) path->set_faults(faults);
}

void World::lose_events(std::size_t node, std::size_t count) {
  record(fmt::format("lose_events {} {}", node, count));
  nodes_.at(node)->lose_events(count);
}

// What the standby's kernel holds now must not be lost by what follows. If nothing was broken for a while, it
// must hold all that is older than a moment, and nothing that was closed longer ago.
void World::note_failure(std::size_t node) {
  const bool was_quiet = queue_.now() - last_fault_ > kQuietTime && primary() == node;
  last_fault_ = queue_.now();
  const Node& failing = *nodes_.at(node);
  const Node& standby = *nodes_.at(1 - node);
  // A standby that is itself gone, late, without a leg or in the middle of learning promises nothing.
  const SimulatedProcess* process = nodes_.at(1 - node)->process();
  const bool standby_serves = process != nullptr && !nodes_.at(1 - node)->stalled() &&
                              nodes_.at(1 - node)->leg_up(0) && nodes_.at(1 - node)->leg_up(1) &&
                              process->replication.progress().in_sync;
  std::set<sync::EntryKey> living;
  for (auto& [number, flow] : flows_) {
    living.insert(flow.entry.key);
    // One that a stalled process never told about may stand on the standby alone: it is lost already.
    flow.on_standby_at_failure =
        standby_serves && standby.held(flow.entry.key) && failing.held(flow.entry.key);
    // One that the primary does not have either was lost by an earlier preemption, and nobody has used it
    // since.
    if (was_quiet && flow.replicated && failing.held(flow.entry.key) && !flow.on_standby_at_failure &&
        queue_.now() - flow.created > kReplicationLimit + minimum_age_) {
      violated(fmt::format("flow {} was not on the standby when the primary failed", number));
    }
  }
  for (const sync::ConntrackEntry& entry : standby.all_held()) {
    const sync::EntryKey& key = entry.key;
    if (living.contains(key) || excluded(key) || !excused_.insert(key).second) continue;
    const auto closed = closed_.find(key);
    if (was_quiet && closed != closed_.end() && queue_.now() - closed->second > kReplicationLimit) {
      violated("a closed flow was still on the standby: " + key.original.to_string());
    }
  }
}

// A preempting node does not wait until the old primary has said everything (that is what a switchover is
// for), and after one fault the next may come before everything was said again: a flow that ended meanwhile
// may outlive its end on the new primary, until its timeout. In a quiet pair that is a matter of
// milliseconds.
void World::note_move(std::size_t to) {
  if (std::exchange(neighbours_send_to_, to) == to) return;
  const bool was_quiet = queue_.now() - last_fault_ > kQuietTime;
  for (const auto& [key, at] : closed_) {
    if (!was_quiet || queue_.now() - at < kInFlight) excused_.insert(key);
  }
}

// ---- the dedicated channel

void World::try_handshake() {
  queue_.after(20ms, [this] { try_handshake(); });
  const bool associated = association_[0] == association_[1] && association_[0] != 0 &&
                          std::ranges::all_of(nodes_, [](const auto& node) { return node->channel_up(0); });
  const bool possible =
      std::ranges::all_of(nodes_, [](const auto& node) { return node->running() && !node->stalled(); }) &&
      std::ranges::none_of(dedicated_, [](const auto& path) { return path->is_cut(); });
  if (associated || !possible) return;
  association_.fill(next_association_++);
  for (const auto& node : nodes_) node->on_channel(0, true);
}

// ---- clients

bool World::forwards(std::size_t index) const {
  const Node& node = *nodes_.at(index);
  return node.machine().rules != Rules::closed && node.leg_up(0) && node.leg_up(1);
}

// Where a packet of the clients ends up: with the node that announced last, if that one still answers for
// itself.
std::optional<std::size_t> World::gateway() const {
  if (!forwards(neighbours_send_to_)) return std::nullopt;
  return neighbours_send_to_;
}

void World::client_acts() {
  queue_.after(between(random_, kClientPace / 2, kClientPace * 2), [this] { client_acts(); });
  if (clients_pause_) return;
  const auto what = std::uniform_int_distribution<int>(0, 9)(random_);
  if (what < 3 && flows_.size() < kMaxFlows)
    open_flow();
  else if (what < 9)
    use_flow();
  else
    close_flow();
  for (const auto& node : nodes_) node->capture_kernel_events();
}

void World::open_flow() {
  const auto at = gateway();
  if (!at) return;
  Flow flow{.entry = new_entry(next_flow_), .created = queue_.now()};
  if (excluded_ && chance(random_, 0.2)) {
    flow.entry.key.original.destination = IpAddress::ipv4({10, 9, 0, 3});
    flow.entry.reply.source = flow.entry.key.original.destination;
    flow.replicated = false;
  }
  if (!nodes_[*at]->machine().conntrack.traffic_creates(flow.entry)) return;
  flows_.emplace(next_flow_++, std::move(flow));
}

void World::use_flow() {
  const auto at = gateway();
  if (!at || flows_.empty()) return;
  auto chosen = flows_.begin();
  std::advance(chosen, std::uniform_int_distribution<std::ptrdiff_t>(0, std::ssize(flows_) - 1)(random_));
  Node& node = *nodes_[*at];
  if (packet_passes(node.machine().conntrack, chosen->second.entry.key)) {
    chosen->second.on_standby_at_failure = false;
    return;
  }
  // Unknown flow: dropped under the shield or where the address is not; otherwise our own stack answers with
  // a reset.
  if (node.machine().rules == Rules::active_with_shield || !node.holds_addresses()) return;
  ++resets_;
  if (chosen->second.on_standby_at_failure) {
    violated(fmt::format("flow {} was on the standby when the primary failed, and is reset", chosen->first));
  }
  closed_[chosen->second.entry.key] = queue_.now();
  flows_.erase(chosen);
}

void World::close_flow() {
  const auto at = gateway();
  if (!at || flows_.empty()) return;
  auto chosen = flows_.begin();
  std::advance(chosen, std::uniform_int_distribution<std::ptrdiff_t>(0, std::ssize(flows_) - 1)(random_));
  // A primary whose process is gone or stands still tells nobody that a flow ended: not what is looked at
  // here.
  if (!nodes_[*at]->running() || nodes_[*at]->stalled()) return;
  if (!nodes_[*at]->machine().conntrack.destroy(chosen->second.entry.key)) return;
  closed_[chosen->second.entry.key] = queue_.now();
  flows_.erase(chosen);
}

// ---- invariants

std::optional<std::size_t> World::primary() const {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < 2; ++i) {
    if (!nodes_[i]->holds_addresses() || !forwards(i)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

void World::check() {
  for (std::size_t i = 0; i < 2; ++i) {
    const Node& node = *nodes_[i];
    if (node.running() && node.process()->lease_held && node.machine().rules == Rules::closed) {
      violated(fmt::format("{} holds the addresses while nothing is forwarded", node.name()));
    }
  }
  check_holders();
  check_service();
}

// Two holders: on a connected network with two running processes one gives way within the limit; of a process
// that is gone or stands still the kernel takes them within the lease and a second. (A node that believed to
// be alone has the long lease: if it then dies while a peer comes up, both hold them that long. That is the
// price of a lone restart.)
void World::check_holders() {
  const bool connected = std::ranges::none_of(legs_, [](const auto& path) { return path->is_cut(); });
  const bool both_run =
      std::ranges::all_of(nodes_, [](const auto& node) { return node->running() && !node->stalled(); });
  const bool two = nodes_[0]->holds_addresses() && nodes_[1]->holds_addresses();
  const bool long_lease = std::ranges::any_of(nodes_, [this](const auto& node) {
    return (!node->running() || node->stalled()) && node->holds_addresses() &&
           *node->machine().addresses_until > queue_.now() + kLeaseLimit;
  });
  if (!two || !connected || long_lease) {
    two_holders_since_.reset();
  } else if (!two_holders_since_) {
    two_holders_since_ = queue_.now();
  } else if (queue_.now() - *two_holders_since_ > (both_run ? kTwoHoldersLimit + kLeaseLimit : kLeaseLimit)) {
    violated("both nodes hold the addresses on a connected network");
  }
}

// A node that could serve, while no other process claims to: within the limit it does.
void World::check_service() {
  const auto healthy = [this](std::size_t i) {
    return nodes_[i]->running() && !nodes_[i]->stalled() && nodes_[i]->leg_up(0) && nodes_[i]->leg_up(1);
  };
  const bool muted = std::ranges::any_of(legs_, [](const auto& path) { return path->is_cut(); });
  const bool served = primary().has_value() || (nodes_[0]->is_primary() || nodes_[1]->is_primary());
  const bool possible = healthy(0) || healthy(1);
  if (served || !possible || muted) {
    nobody_serves_since_.reset();
  } else if (!nobody_serves_since_) {
    nobody_serves_since_ = queue_.now();
  } else if (queue_.now() - *nobody_serves_since_ > kNoServiceLimit) {
    violated("a healthy node does not take over");
  }
}

void World::record(const std::string& what) {
  history_ +=
      fmt::format("{:10.3f} s  {}\n", in_milliseconds(queue_.now().time_since_epoch()) / 1000 - 3.6e6, what);
}

void World::violated(std::string text) {
  if (!violation_) record("VIOLATION " + text);
  if (!violation_)
    violation_ =
        fmt::format("at {:.3f} s: {}", in_milliseconds(queue_.now().time_since_epoch()) / 1000, text);
}

// Every living flow stands in both tables with its state, and nothing else does. Timeouts aside.
std::string World::table_difference() const {
  std::set<sync::EntryKey> living;
  for (const auto& [number, flow] : flows_) living.insert(flow.entry.key);
  const std::size_t at = *primary();
  const FakeConntrack& mine = nodes_[at]->machine().conntrack;
  const Node& theirs = *nodes_[1 - at];
  for (const auto& [place, stored] : mine.entries()) {
    const sync::EntryKey& key = place.second;
    if (!living.contains(key) && !excluded(key) && !excused_.contains(key)) {
      const auto closed = closed_.find(key);
      return fmt::format(
          "a closed flow stands on the primary: {}, {}", key.original.to_string(),
          closed == closed_.end()
              ? "reset"
              : fmt::format("closed at {:.3f} s",
                            in_milliseconds(closed->second.time_since_epoch()) / 1000 - 3.6e6));
    }
  }
  if (!nodes_[1 - at]->running()) return "";
  for (const sync::ConntrackEntry& entry : theirs.all_held()) {
    if (mine.find(entry.key) == nullptr && !excluded(entry.key)) {
      return "a flow stands on the standby only: " + entry.key.original.to_string();
    }
  }
  for (const auto& [place, stored] : theirs.machine().conntrack.entries()) {
    if (theirs.caches() && !excluded(place.second)) return "a standby with a cache has flows in its kernel";
  }
  for (const auto& [place, stored] : mine.entries()) {
    if (excluded(place.second)) continue;
    const auto copy = theirs.held(place.second);
    if (!copy) return "a flow is missing on the standby: " + place.second.original.to_string();
    if (copy->tcp->state != stored.entry.tcp->state || copy->reply != stored.entry.reply ||
        copy->mark.value_or(0) != stored.entry.mark.value_or(0)) {
      return fmt::format("a flow differs on the standby: {} mark {} there {}",
                         place.second.original.to_string(), stored.entry.mark.value_or(0),
                         copy->mark.value_or(0));
    }
  }
  return "";
}

}  // namespace ftfw::sim
