// Two firewalls, two client networks and a dedicated link under the virtual clock, with clients whose
// connections are tracked, and the invariants that must hold after every event. A violation is a text with
// the time; a seed and its violation are all that is needed to see it again.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/event_queue.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/node.hpp"

namespace ftfw::sim {

// A connection of the clients' world: it exists until it is closed or reset, whatever the firewalls think.
struct Flow {
  sync::ConntrackEntry entry;
  Instant created{};
  bool replicated = true;              // not of an excluded network
  bool on_standby_at_failure = false;  // the standby's kernel had it when the primary failed
};

class World {
 public:
  // By the bits of mode: which node has `standby = "cache"`. The seeds run through all four.
  explicit World(std::uint64_t seed) : World(seed, static_cast<unsigned>(seed % 4)) {}
  World(std::uint64_t seed, unsigned mode);

  // Lets time pass; invariants are checked after every event. Stops early at a violation.
  void run(Duration time);
  void run_until_settled();  // nothing is broken any more: exactly one primary, equal tables; with a deadline

  // ---- faults, by node index
  void crash(std::size_t node);
  void reboot(std::size_t node);
  void start(std::size_t node);
  void stall(std::size_t node);
  void resume(std::size_t node);
  void stop_gracefully(std::size_t node);
  void cut_leg(std::size_t node, std::size_t leg);  // carrier is lost on both sides' view of this node
  void restore_leg(std::size_t node, std::size_t leg);
  void mute_leg(std::size_t from, std::size_t leg, bool muted);  // advertisements lost one way, carrier stays
  void cut_dedicated(bool cut);
  void mute_dedicated(std::size_t from, bool muted);
  void set_dedicated_faults(const PathFaults& faults);
  void set_leg_faults(const PathFaults& faults);
  void lose_events(std::size_t node, std::size_t count);

  std::optional<std::size_t> primary()
      const;  // the one that forwards and holds the addresses, if exactly one does
  Node& node(std::size_t index) { return *nodes_.at(index); }
  Random& random() { return random_; }
  Instant now() const { return queue_.now(); }
  std::uint64_t events() const { return queue_.ran(); }
  std::uint64_t resets() const { return resets_; }
  std::size_t live_flows() const { return flows_.size(); }
  const std::optional<std::string>& violation() const { return violation_; }
  // Faults and changes of role, a line each: how a failing seed came to its violation.
  const std::string& history() const { return history_; }

 private:
  static constexpr std::size_t kLegs = 2;

  // ---- network
  Path& leg_path(std::size_t from, std::size_t leg) { return *legs_.at(from * kLegs + leg); }
  Path& dedicated_path(std::size_t from) { return *dedicated_.at(from); }
  void try_handshake();

  // ---- clients
  bool forwards(std::size_t node) const;
  void client_acts();
  void open_flow();
  void use_flow();
  void close_flow();
  std::optional<std::size_t> gateway() const;
  void note_failure(std::size_t node);
  void note_move(std::size_t to);

  // ---- invariants
  void check();
  void check_holders();
  void check_service();
  void violated(std::string text);
  void record(const std::string& what);
  std::string table_difference() const;

  // A key of an excluded network: each node has its own flows of these.
  bool excluded(const sync::EntryKey& key) const;

  EventQueue queue_;
  Random random_;
  Duration minimum_age_{};
  std::optional<IpPrefix> excluded_;
  std::vector<std::unique_ptr<Path>> legs_;
  std::vector<std::unique_ptr<Path>> dedicated_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::array<std::uint64_t, 2> association_{};
  std::uint64_t next_association_ = 1;

  std::size_t neighbours_send_to_ = 0;
  std::map<std::uint64_t, Flow> flows_;
  std::map<sync::EntryKey, Instant> closed_;
  std::set<sync::EntryKey> excused_;  // closed so shortly before a failure that the standby may not know
  std::uint64_t next_flow_ = 1;
  std::uint64_t resets_ = 0;
  bool clients_pause_ = false;

  std::optional<Instant> two_holders_since_;
  std::optional<Instant> nobody_serves_since_;
  Instant last_fault_{};
  std::optional<std::string> violation_;
  std::string history_;
};

}  // namespace ftfw::sim
