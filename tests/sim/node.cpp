#include "tests/sim/node.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "appliance/failover/translation.hpp"

namespace ftfw::sim {
namespace {

constexpr Duration kThreadHop = 20us;  // a mailbox between two threads
constexpr Duration kLongestBatch = 2ms;

vrrp::Settings election_settings(const config::Config& config, std::size_t index) {
  return vrrp::make_settings(config, config.nodes[index], vrrp::RoleLimit::automatic);
}

IpAddress leg_address(std::size_t leg, std::size_t node) {
  return IpAddress::ipv4({192, 168, static_cast<std::uint8_t>(leg), static_cast<std::uint8_t>(node + 1)});
}

}  // namespace

Node::Node(EventQueue& queue, Random& random, const config::Config& config, std::size_t index)
    : queue_(queue),
      random_(random),
      config_(config),
      index_(index),
      legs_up_(config.group.routers.size(), true) {
  listen_to_kernel();
}

void Node::listen_to_kernel() {
  machine_.conntrack.on_event = [this](sync::Event event) { captured_.push_back(std::move(event)); };
}

// ---- life and faults

void Node::start() {
  ++incarnation_;
  work_at_.reset();
  stalled_ = false;
  held_back_.clear();
  started_at_ = queue_.now();
  machine_.rules = Rules::closed;  // a start closes first
  captured_.clear();
  const vrrp::Settings election = election_settings(config_, index_);
  process_ = std::make_unique<SimulatedProcess>(
      election, failover::replication_settings(config_, index_, {}), random_() | 1,
      failover::coordinator_settings(election, config_), machine_.conntrack);
  process_->replication.become_replica(queue_.now());
  for (std::size_t leg = 0; leg < legs_up_.size(); ++leg) {
    process_->election.on_link(queue_.now(), leg, legs_up_[leg], leg_address(leg, index_));
  }
  process_->election.set_in_sync(queue_.now(), false);
  process_->election.start(queue_.now());
  keep_lease();
  pump();
}

void Node::crash() {
  ++incarnation_;
  stalled_ = false;
  held_back_.clear();
  process_.reset();
}

void Node::reboot() {
  crash();
  machine_ = Machine{};
  listen_to_kernel();
}

void Node::stall() {
  stalled_ = running();
}

void Node::resume() {
  if (!std::exchange(stalled_, false)) return;
  // The process finds everything that came meanwhile at once, in order, as a socket would give it.
  const std::deque<Input> inputs = std::exchange(held_back_, {});
  for (const Input& run : inputs) input(run);
  pump();
}

void Node::set_leg(std::size_t leg, bool up) {
  legs_up_.at(leg) = up;
  input([this, leg, up](SimulatedProcess& process) {
    process.election.on_link(queue_.now(), leg, up, leg_address(leg, index_));
  });
}

void Node::stop_gracefully() {
  input([this](SimulatedProcess& process) { process.coordinator.request_stop(queue_.now()); });
}

// ---- from the wires

void Node::on_advertisement(std::size_t leg, IpAddress source, const ByteVector& packet) {
  input([this, leg, source, packet](SimulatedProcess& process) {
    process.election.on_packet(
        queue_.now(), leg,
        {.source = source, .destination = IpAddress::ipv4({224, 0, 0, 18}), .ttl = 255, .payload = packet});
  });
}

void Node::on_frame(std::size_t peer, const ByteVector& frame) {
  input([this, peer, frame](SimulatedProcess& process) {
    if (process.channels_up[peer]) process.replication.on_frame(queue_.now(), peer, frame);
  });
}

void Node::on_channel(std::size_t peer, bool up) {
  input([this, peer, up](SimulatedProcess& process) {
    process.channels_up[peer] = up;
    if (up)
      process.replication.on_channel_up(queue_.now(), peer);
    else
      process.replication.on_channel_down(queue_.now(), peer);
  });
}

bool Node::holds_addresses() const {
  return machine_.addresses_until && *machine_.addresses_until > queue_.now();
}

// ---- the process's threads

void Node::input(Input run) {
  if (!process_) return;
  if (stalled_) {
    held_back_.push_back(std::move(run));
    return;
  }
  run(*process_);
  pump();
}

void Node::later(Duration delay, Input run) {
  queue_.after(delay, [this, incarnation = incarnation_, run = std::move(run)] {
    if (incarnation == incarnation_) input(run);
  });
}

void Node::pump() {
  if (!process_ || std::exchange(pumping_, true)) return;
  for (bool again = true; again;) {
    again = false;
    for (const vrrp::Output& output : process_->election.take_outputs()) again = true, carry_out(output);
    for (const failover::Output& output : process_->coordinator.take_outputs())
      again = true, carry_out(output);
    for (const sync::Output& output : process_->replication.take_outputs()) again = true, carry_out(output);
  }
  pumping_ = false;
  work_on_tables();
  tell_group_state();
  capture_kernel_events();
  arm_timer();
}

void Node::arm_timer() {
  if (!process_) return;
  std::optional<Instant> next;
  for (const std::optional<Instant> deadline :
       {process_->election.next_deadline(), process_->replication.next_deadline(),
        process_->coordinator.next_deadline()}) {
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  const std::uint64_t timer = ++timer_;
  if (!next) return;
  queue_.at(*next, [this, timer, incarnation = incarnation_] {
    if (timer != timer_ || incarnation != incarnation_) return;
    input([this](SimulatedProcess& process) {
      process.election.on_timer(queue_.now());
      process.coordinator.on_timer(queue_.now());
      process.replication.on_timer(queue_.now());
    });
  });
}

void Node::carry_out(const vrrp::Output& output) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, vrrp::SendAdvertisement>) {
          if (legs_up_.at(what.router))
            for (Path* path : wires_.legs.at(what.router)) path->send(what.packet);
        } else if constexpr (std::is_same_v<What, vrrp::StateChanged>) {
          on_change(vrrp::to_string(what.cause, process_->election.settings()));
          if (what.to == vrrp::State::initialize) return;
          later(kThreadHop, [this, what](SimulatedProcess& process) {
            process.coordinator.on_role_change(queue_.now(), {.to = failover::role_of(what.to),
                                                              .cause = "",
                                                              .at = what.at,
                                                              .last_heard = what.last_heard});
          });
        } else if constexpr (std::is_same_v<What, vrrp::AnnounceAgain>) {
          later(kThreadHop,
                [this](SimulatedProcess& process) { process.coordinator.on_announce_again(queue_.now()); });
        } else if constexpr (std::is_same_v<What, vrrp::ActivePeerHeard>) {
          later(kThreadHop, [this](SimulatedProcess& process) {
            process.coordinator.on_active_peer_heard(queue_.now());
          });
        } else {
          static_assert(std::is_same_v<What, vrrp::Notice>);
        }
      },
      output);
}

void Node::carry_out(const failover::Output& output) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, failover::RunStep>) {
          run_step(what);
        } else if constexpr (std::is_same_v<What, failover::AnnounceRound>) {
          announce();
        } else if constexpr (std::is_same_v<What, failover::RaiseEpoch>) {
          process_->replication.become_source(queue_.now(), what.epoch);
          process_->tables.become_source(queue_.now());
        } else if constexpr (std::is_same_v<What, failover::ResumeClaims>) {
          later(kThreadHop, [this](SimulatedProcess& process) { process.election.reclaim(queue_.now()); });
        } else if constexpr (std::is_same_v<What, failover::ReadyToExit>) {
          queue_.after(Duration::zero(), [this, incarnation = incarnation_] {
            if (incarnation == incarnation_) crash();
          });
        } else if constexpr (std::is_same_v<What, failover::RoleReached>) {
          on_change(what.timeline.to_string());
        } else {
          static_assert(std::is_same_v<What, failover::Alarm>);
          on_change(what.text);
        }
      },
      output);
}

void Node::carry_out(const sync::Output& output) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, sync::SendFrame>) {
          if (process_->channels_up[what.peer]) wires_.dedicated.at(what.peer)->send(what.bytes);
        } else if constexpr (std::is_same_v<What, sync::StartDump>) {
          if (what.reader != 0) return dump_for_peer(what.dump, {});
          if (!process_->tables.begin_dump(what.purpose)) on_change("no dump");
          dump(what.dump);
        } else if constexpr (std::is_same_v<What, sync::Apply>) {
          later(between(random_, 50us, 500us),
                [this, operations = what.operations](SimulatedProcess& process) {
                  process.replication.on_applied(queue_.now(), *process.tables.apply(operations));
                });
        } else if constexpr (std::is_same_v<What, sync::PeerChanged>) {
          if (process_->peers_alive[what.index] != what.peer.alive) {
            process_->peers_alive[what.index] = what.peer.alive;
            on_change((what.peer.alive ? "hears " : "does not hear ") + what.peer.node);
            renew_lease();  // with the lifetime that goes with it
          }
          later(kThreadHop, [this, what](SimulatedProcess& process) {
            process.coordinator.on_peer(queue_.now(), what.index, failover::peer_view_of(what.peer));
          });
        } else if constexpr (std::is_same_v<What, sync::InSyncChanged>) {
          on_change(what.in_sync ? "in sync " + what.reason : "not in sync: " + what.reason);
          later(kThreadHop, [this, in_sync = what.in_sync](SimulatedProcess& process) {
            process.election.set_in_sync(queue_.now(), in_sync);
          });
        } else if constexpr (std::is_same_v<What, sync::CommitFinished>) {
          process_->tables.commit(queue_.now(), what);
        } else if constexpr (std::is_same_v<What, sync::PeerSpoke> || std::is_same_v<What, sync::Drained>) {
          return;
        } else {
          static_assert(std::is_same_v<What, sync::Notice>);
          on_change(what.text);
        }
      },
      output);
}

// Every step takes its time before it has its effect; a newer plan may overtake it meanwhile.
void Node::run_step(const failover::RunStep& run) {
  later(between(random_, 10us, 2ms), [this, run](SimulatedProcess& process) {
    if (!process.coordinator.is_current(run)) return;
    if (run.step == failover::Step::commit) {
      process.replication.commit(queue_.now(), run.plan);
      return;
    }
    apply_step(run.step, run.epoch);
    process.coordinator.on_step_finished(queue_.now(), {.plan = run.plan, .step = run.step});
  });
}

void Node::apply_step(failover::Step step, std::uint64_t epoch) {
  using failover::Step;
  switch (step) {
    case Step::activate_rules:
      machine_.rules = Rules::active_with_shield;
      break;
    case Step::lower_shield:
      machine_.rules = Rules::active;
      break;
    case Step::standby_rules:
      machine_.rules = Rules::closed;
      break;
    case Step::add_addresses:
      process_->lease_held = true;
      process_->lease_renewed = queue_.now();
      process_->lease_time = lease_time();
      machine_.addresses_until = queue_.now() + process_->lease_time;
      break;
    case Step::remove_addresses:
      process_->lease_held = false;
      machine_.addresses_until.reset();
      break;
    case Step::announce:
      announce();
      break;
    case Step::become_source:
      process_->replication.become_source(queue_.now(), epoch);
      process_->tables.become_source(queue_.now());
      break;
    case Step::become_replica:
      process_->replication.become_replica(queue_.now());
      process_->tables.become_replica(queue_.now());
      break;
    case Step::release_claim:
      process_->election.release(queue_.now());
      break;
    case Step::commit:
    case Step::await_peer:
    case Step::add_routes:
    case Step::remove_routes:
      break;
  }
}

Duration Node::lease_time() const {
  return process_->any_peer_alive() ? failover::kLeaseWithPeer : failover::kLeaseAlone;
}

void Node::keep_lease() {
  later(1s, [this](SimulatedProcess&) {
    renew_lease();
    keep_lease();
  });
}

void Node::renew_lease() {
  if (!process_->lease_held) return;
  if (queue_.now() - process_->lease_renewed >= process_->lease_time) {
    process_->lease_held = false;
    process_->coordinator.on_lease_lapsed(queue_.now());
    return;
  }
  process_->lease_renewed = queue_.now();
  process_->lease_time = lease_time();
  machine_.addresses_until = queue_.now() + process_->lease_time;
}

void Node::announce() {
  last_announcement_ = queue_.now();
  if (on_announcement) on_announcement();
}

void Node::tell_group_state() {
  if (!process_) return;
  process_->replication.set_group_state(queue_.now(),
                                        {.role = failover::group_role_of(process_->coordinator.role()),
                                         .priority = process_->election.effective_priority(),
                                         .legs_up = std::ranges::all_of(legs_up_, [](bool up) { return up; }),
                                         .primary_epoch = process_->coordinator.epoch()});
}

// The dump goes on while the table changes; a piece holds what is there when it is read.
void Node::dump(std::uint64_t id) {
  later(between(random_, 50us, 300us), [this, id](SimulatedProcess& process) {
    const auto piece = process.tables.next_dump_piece();
    process.replication.on_dump(queue_.now(), id, piece->entries, piece->expectations);
    if (piece->progress == sync::DumpPiece::Progress::more)
      dump(id);
    else
      process.replication.on_dump_end(queue_.now(), id,
                                      piece->progress == sync::DumpPiece::Progress::finished);
  });
}

// A reader of its own for each peer; it waits while the table is not whole.
void Node::dump_for_peer(std::uint64_t id, FakeConntrack::Cursor cursor) {
  later(between(random_, 50us, 300us), [this, id, cursor](SimulatedProcess& process) mutable {
    if (process.tables.committing()) return dump_for_peer(id, cursor);
    const FakeConntrack::Piece piece = machine_.conntrack.dump(cursor, SimulatedProcess::kDumpPiece);
    process.replication.on_dump(queue_.now(), id, piece.entries, piece.expectations);
    if (piece.last)
      process.replication.on_dump_end(queue_.now(), id, true);
    else
      dump_for_peer(id, cursor);
  });
}

// A batch, or a piece, at a time: each takes what it takes a kernel.
void Node::work_on_tables() {
  const bool mirrors = process_->replication.mirrors_source();
  if (const auto finished = process_->tables.take_finished()) {
    later(kThreadHop, [this, finished](SimulatedProcess& process) {
      process.coordinator.on_step_finished(
          queue_.now(), {.plan = finished->plan, .step = failover::Step::commit, .ok = finished->complete});
    });
  }
  for (const std::string& text : process_->tables.take_troubles()) on_change(text);
  const auto due = process_->tables.next_deadline(mirrors);
  if (!due || (work_at_ && *work_at_ <= std::max(*due, queue_.now() + kLongestBatch))) return;
  const Instant at = std::max(*due, queue_.now() + between(random_, 200us, kLongestBatch));
  work_at_ = at;
  later(at - queue_.now(), [this, at](SimulatedProcess& process) {
    if (work_at_ != at) return;  // something more urgent came up since
    work_at_.reset();
    process.tables.step(queue_.now(), process.replication.mirrors_source());
  });
}

std::optional<sync::ConntrackEntry> Node::held(const sync::EntryKey& key) const {
  if (process_) {
    if (auto cached = process_->tables.cache().entry(key)) return cached;
  }
  const FakeConntrack::Stored* stored = machine_.conntrack.find(key);
  return stored == nullptr ? std::nullopt : std::optional(stored->entry);
}

std::vector<sync::ConntrackEntry> Node::all_held() const {
  std::vector<sync::ConntrackEntry> all;
  if (process_) {
    const sync::FlowCache& cache = process_->tables.cache();
    sync::FlowCache::Cursor cursor = cache.begin();
    for (sync::DumpPiece piece; piece.progress == sync::DumpPiece::Progress::more;) {
      piece = cache.read(cursor, SimulatedProcess::kDumpPiece);
      all.insert(all.end(), piece.entries.begin(), piece.entries.end());
    }
  }
  for (const auto& [place, stored] : machine_.conntrack.entries()) {
    if (!process_ || !process_->tables.cache().contains(place.second)) all.push_back(stored.entry);
  }
  return all;
}

// What changed in the kernel, except by our own injections, reaches the engine a little later and in order.
void Node::capture_kernel_events() {
  std::vector<sync::Event> events = std::exchange(captured_, {});
  if (!process_ || events.empty()) return;
  if (events_to_lose_ > 0) {
    events_to_lose_ -= std::min(events_to_lose_, events.size());
    later(kThreadHop, [this](SimulatedProcess& process) { process.replication.on_overrun(queue_.now()); });
    return;
  }
  later(kThreadHop, [this, events = std::move(events)](SimulatedProcess& process) {
    for (const sync::Event& event : events) process.replication.on_event(queue_.now(), event);
  });
}

}  // namespace ftfw::sim
