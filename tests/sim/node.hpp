// One whole firewall in the simulation: the real engines and the real coordinator, on a fake kernel. It plays
// the parts of the threads: it carries outputs to inputs with small delays, runs steps that take time, and
// can crash, restart, stall (SIGSTOP: the process stands still, its kernel does not) and lose events.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "appliance/failover/coordinator.hpp"
#include "config/model.hpp"
#include "sync/engine.hpp"
#include "sync/flow_tables.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/fake_conntrack.hpp"
#include "tests/sim/network.hpp"
#include "vrrp/engine.hpp"

namespace ftfw::sim {

enum class Rules : std::uint8_t { closed, active_with_shield, active };

// What the machine has besides its conntrack table. It lives on when the process dies.
struct Machine {
  FakeConntrack conntrack;
  Rules rules = Rules::closed;
  std::optional<Instant> addresses_until;  // the lease; nothing: not held
};

struct SimulatedProcess {
  SimulatedProcess(const vrrp::Settings& settings, const sync::Settings& replicated, std::uint64_t instance,
                   failover::Coordinator::Settings plans, FakeConntrack& conntrack)
      : election(settings),
        replication(replicated, instance),
        kernel(conntrack, kDumpPiece),
        tables(kernel, replicated),
        coordinator(std::move(plans)) {}

  static constexpr std::size_t kDumpPiece = 64;

  vrrp::Engine election;
  sync::Engine replication;
  FakeKernelTable kernel;
  sync::FlowTables tables;
  failover::Coordinator coordinator;
  bool lease_held = false;
  Instant lease_renewed{};
  Duration lease_time{};
  bool peer_alive = false;
  bool channel_up = false;
};

class Node {
 public:
  struct Wires {
    std::vector<Path*> legs;  // to the other node, one per virtual router
    Path* dedicated = nullptr;
  };

  Node(EventQueue& queue, Random& random, const config::Config& config, std::size_t index);

  const std::string& name() const { return config_.nodes[index_].name; }
  void connect(Wires wires) { wires_ = std::move(wires); }

  // ---- faults
  void start();   // a new process on this machine
  void crash();   // the process is gone, the kernel stays
  void reboot();  // the kernel is gone too
  void stall();   // SIGSTOP
  void resume();  // SIGCONT
  void lose_events(std::size_t count) { events_to_lose_ = count; }
  void set_leg(std::size_t leg, bool up);
  void stop_gracefully();  // SIGTERM

  // ---- from the wires
  void on_advertisement(std::size_t leg, IpAddress source, const ByteVector& packet);
  void on_frame(const ByteVector& frame);
  // The channel's handshake has finished, or the association is lost.
  void on_channel(bool up);

  // After the world has changed this machine's table.
  void capture_kernel_events();
  std::function<void()> on_announcement;
  std::function<void(const std::string& what)> on_change;  // for the history of a failing seed

  // ---- what the world looks at
  bool running() const { return process_ != nullptr; }
  bool stalled() const { return stalled_; }
  bool leg_up(std::size_t leg) const { return legs_up_.at(leg); }
  // In the kernel, or as replica with a cache in that.
  std::optional<sync::ConntrackEntry> held(const sync::EntryKey& key) const;
  std::vector<sync::ConntrackEntry> all_held() const;
  bool caches() const { return config_.replication.standby == config::StandbyMode::cache; }
  Machine& machine() { return machine_; }
  const Machine& machine() const { return machine_; }
  const SimulatedProcess* process() const { return process_.get(); }
  bool holds_addresses() const;
  bool is_primary() const { return process_ && process_->coordinator.role() == failover::Role::primary; }
  bool channel_up() const { return process_ && process_->channel_up; }
  std::uint64_t incarnation() const { return incarnation_; }
  Instant started_at() const { return started_at_; }
  std::optional<Instant> last_announcement() const { return last_announcement_; }

 private:
  using Input = std::function<void(SimulatedProcess&)>;

  void input(Input run);                  // now, or when the process runs again
  void later(Duration delay, Input run);  // in this incarnation only
  void pump();                            // outputs to inputs until there are none
  void arm_timer();
  void carry_out(const vrrp::Output& output);
  void carry_out(const failover::Output& output);
  void carry_out(const sync::Output& output);
  void run_step(const failover::RunStep& run);
  void apply_step(failover::Step step, std::uint64_t epoch);
  void announce();
  Duration lease_time() const;
  void dump(std::uint64_t id);
  void work_on_tables();
  void listen_to_kernel();
  void tell_group_state();
  void keep_lease();  // every second
  void renew_lease();

  EventQueue& queue_;
  Random& random_;
  config::Config config_;
  std::size_t index_;
  Wires wires_;
  Machine machine_;
  std::unique_ptr<SimulatedProcess> process_;
  std::uint64_t incarnation_ = 0;
  std::optional<Instant> work_at_;  // of the tables
  Instant started_at_{};
  bool stalled_ = false;
  std::deque<Input> held_back_;  // while stalled
  std::vector<bool> legs_up_;
  std::vector<sync::Event> captured_;  // not handed to the process yet
  std::size_t events_to_lose_ = 0;
  std::uint64_t timer_ = 0;
  bool pumping_ = false;
  std::optional<Instant> last_announcement_;
};

}  // namespace ftfw::sim
