// A new configuration takes the place of the one in force, as a whole or not at all: read and judged by
// another thread (reload_reading), carried out here, on the failover thread, between two plans and in one
// step each for the rules and for all else. A reload that cannot be carried out at once (a takeover is under
// way, or comes between two pieces of a large load) waits and is done after it. Whoever asked is answered
// when it is done or refused; who asks meanwhile gets a reading of its own, so that what the file said when
// it was asked for is what counts. Invariant: what is in force changes only after the kernel has taken the
// rules.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/control/orders.hpp"
#include "appliance/reload_reading.hpp"
#include "firewall/linux/loader.hpp"

namespace ftfw {

class Reload {
 public:
  struct Parts {
    PolicyBook& policy;
    std::shared_ptr<const firewall::Ruleset>& ruleset;  // in force
    firewall::Loader& loader;
    std::function<firewall::Stance()> stance;
    // Whether a plan is under way, which goes first; asked between the pieces of a large load, too.
    std::function<bool()> must_wait;
    // Before the kernel is asked: what others did to the tables is taken note of, and the peer may be told
    // that this node loads.
    std::function<void()> prepare;
    // The new policy is in force.
    std::function<void(const config::Config&)> adopt;
    std::function<void(ControlAnswer)> answer;
  };

  Reload(Parts parts, ReloadSurroundings surroundings)
      : parts_(std::move(parts)), reading_(std::move(surroundings)) {}

  // order: of an operator, who is answered; none for SIGHUP.
  void request(std::optional<std::uint64_t> order);
  // When it is readable, go_on() is due; and in every round of the loop.
  int fd() const { return reading_.fd(); }
  void go_on();

  // The rules are being changed: from the first message to the kernel until the last, interruptions included.
  bool loading() const { return loading_; }

 private:
  void begin();
  void take_reading();
  void carry_out();
  firewall::LoadResult change_rules();
  firewall::LoadResult put_up(const firewall::Guard& guard);
  void put_back_guard();
  void refuse(std::vector<std::string> lines, std::size_t errors);
  void finish(ControlAnswer answer);

  Parts parts_;
  ReloadReading reading_;
  std::vector<std::string> warnings_;  // of the candidate
  std::optional<ReloadCandidate> candidate_;
  std::vector<std::uint64_t> askers_;       // of the reading that is under way, or of the candidate
  std::vector<std::uint64_t> next_askers_;  // who came while it was being read
  bool again_ = false;
  bool loading_ = false;
};

}  // namespace ftfw
