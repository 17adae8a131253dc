// Two to four nodes that elect over one network per virtual router, and nothing else: no replication,
// no firewall. Every invariant is checked after every event; a violation is a text with the time, and
// a seed and its history are all that is needed to see it again.
//
// What must hold, with `down` the longest down interval of the world (missed x interval + skew of
// priority 1) and `slack` what packets and processes take:
//  1. Two nodes are not both Active for longer than down + slack after they can hear each other: both
//     run, and the wires between them are whole both ways (nothing cut, lost, delayed or duplicated,
//     nothing still on its way) on one network, or on all of them where their priorities are equal:
//     which address decides a tie depends on which networks they have in common.
//  2. When nothing is broken or held back any more, there is no moment without an Active node for
//     longer than down + skew + slack and what the configuration says to wait (start-up, up-delay).
//  3. The legs of one node agree: what one input makes it advertise has one priority on all legs, and
//     a claim or a release is told on every one (election_node.cpp).
//  4. No priority above 0 is advertised while not Active, nor between release() and reclaim().
//  5. Nobody claims against a better Active node whose advertisements have reached it for down + slack
//     without a gap: one living leg holds the group back, and so does the patience of who slept.
//     Excused: it was hardly awake between two halts; it was suspended and cannot tell (it woke before
//     its timer, start-up delay included, or so soon after it that a timer may be that late, or its
//     clock stood still), and what was sent to it is lost; or a third node has just released (RFC
//     9568 6.4.2: a priority 0 of anybody counts, and it may arrive after the answer of who is Active).
//  6. Who was Active and slept for longer than the others wait advertises nothing when it wakes, but
//     for the owner (election_node.cpp).
//  7. Some time after everything is whole the primary is the right one: nobody who may preempt has a
//     greater effective priority; and from then on nothing changes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/election_node.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/network.hpp"

namespace ftfw::sim {

// What a world is made of.
struct ElectionPlan {
  std::vector<vrrp::Settings> nodes;  // with the same routers
  // Leg by leg the addresses of the nodes, in the order of the nodes.
  std::vector<std::vector<IpAddress>> addresses;
};

ElectionPlan draw_election_plan(Random& random);

// Version 3, 100 ms, one IPv4 router per leg; address order as that of the nodes.
ElectionPlan simple_election_plan(std::vector<std::uint8_t> priorities, std::size_t legs);

class ElectionWorld {
 public:
  ElectionWorld(std::uint64_t seed, const std::function<ElectionPlan(Random&)>& plan);

  // Lets time pass; stops early at a violation.
  void run(Duration time);
  void run_intervals(double count);
  // Everything has been mended: waits as long as an election may take, then judges the result (7).
  void run_until_settled();

  // ---- faults of the network; those of a node are its own, told with touched()
  void cut(std::size_t leg, std::size_t from, std::size_t to);
  void restore(std::size_t leg, std::size_t from, std::size_t to);
  void set_faults(std::size_t leg, std::size_t from, std::size_t to, const PathFaults& faults);
  void mend(std::size_t leg, std::size_t from, std::size_t to);

  ElectionNode& node(std::size_t index) { return *nodes_.at(index); }
  std::size_t nodes() const { return nodes_.size(); }
  std::size_t legs() const { return plan_.addresses.size(); }
  Random& random() { return random_; }
  Instant now() const { return queue_.now(); }
  Duration interval() const;
  std::optional<std::size_t> primary() const;  // the one that is Active, if exactly one is
  void record(const std::string& what);        // a fault; bounds are counted from here
  const std::optional<std::string>& violation() const { return violation_; }
  const std::string& history() const { return history_; }

 private:
  struct Wire {
    Path path;
    bool faulty = false;
    Duration slowest{};    // of its faults
    Instant quiet_from{};  // what was sent before the mending may arrive until then
  };
  // Since when a condition holds without a break.
  struct Since {
    std::optional<Instant> since;
    void update(Instant now, bool holds);
    bool longer_than(Instant now, Duration limit) const;
  };

  void deliver(std::size_t from, const vrrp::SendAdvertisement& sent);
  Wire& wire(std::size_t leg, std::size_t from, std::size_t to);
  const Wire& wire(std::size_t leg, std::size_t from, std::size_t to) const;
  bool whole(std::size_t leg, std::size_t a, std::size_t b) const;
  bool can_hear_each_other(std::size_t a, std::size_t b) const;
  bool everything_whole() const;
  bool reaches(std::size_t leg, std::size_t from, std::size_t to) const;
  bool better_is_heard(std::size_t by, std::size_t better) const;
  void check_claim(std::size_t by);
  void check();
  void check_result();
  void violated(const std::string& text);
  void note(const std::string& text);

  EventQueue queue_;
  Random random_;
  ElectionPlan plan_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<std::unique_ptr<ElectionNode>> nodes_;
  Duration down_{};
  Duration skew_{};
  Duration configured_wait_{};  // start-up delay and up-delay
  Duration preemption_wait_{};
  std::vector<Since> two_active_;    // per pair
  std::vector<Since> better_heard_;  // per pair: who hears, who is better
  Since none_active_;
  std::uint64_t changes_ = 0;
  std::optional<std::string> violation_;
  std::string history_;
};

}  // namespace ftfw::sim
