// One vrrp::Engine with its own clock, in a process that can die, stand still or be suspended with its whole
// machine. It judges the engine's outputs as they come: what an engine may never put out, whatever it hears.
// Pure under the virtual clock; one thread.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/event_queue.hpp"
#include "tests/sim/network.hpp"
#include "vrrp/engine.hpp"

namespace ftfw::sim {

class ElectionNode {
 public:
  struct Hooks {
    std::function<void(const vrrp::SendAdvertisement&)> send;
    std::function<void(const vrrp::StateChanged&)> changed;
    std::function<void(std::string)> violated;
  };

  // addresses: one per leg, of the leg's family.
  ElectionNode(EventQueue& queue, Random& random, vrrp::Settings settings, std::vector<IpAddress> addresses,
               Hooks hooks);

  // ---- faults of the process and of the machine
  void start();                       // a new process; nothing happens if there is one
  void crash();                       // its links stay up and nothing is sent
  void stall();                       // no turn for the process; its sockets fill
  void resume();                      // all that waited is handled before the timer, as the event loop does
  void suspend();                     // the machine stands still; what is sent to it is lost
  void wake(bool clock_stood_still);  // and its clock has gone on, or not

  // ---- what the machine and the operator tell the process; it hears of it when it runs
  void set_link(std::size_t leg, bool up);
  void adjust_priority(int adjustment);
  void set_in_sync(bool in_sync);
  void release();
  void reclaim();

  void receive(std::size_t leg, const IpAddress& source, const IpAddress& destination,
               const ByteVector& packet);

  // ---- what the world looks at
  bool running() const { return engine_ && halt_ == Halt::none; }
  bool active() const { return engine_ && engine_->state() == vrrp::State::active; }
  bool released() const { return released_; }
  bool link_up(std::size_t leg) const { return links_.at(leg); }
  const IpAddress& address(std::size_t leg) const { return addresses_.at(leg); }
  const vrrp::Settings& settings() const { return settings_; }
  // Between its last two halts it had less than `time` to listen, and it still has not had it.
  bool hardly_awake_for(Duration time) const {
    return woken_ && awake_before_ < time && queue_.now() - *woken_ < time;
  }
  // Within `time` it was suspended for less than `noticed` on its own clock: its timer was not late enough to
  // tell.
  bool lost_packets_unnoticed(Duration noticed, Duration time) const {
    return woken_ && queue_.now() - *woken_ < time && last_suspension_ && *last_suspension_ < noticed;
  }
  bool heard_release_within(Duration time) const {
    return heard_release_ && queue_.now() - *heard_release_ < time;
  }
  // What the engine must have come to from what it was told.
  std::uint8_t expected_priority() const;
  const vrrp::Engine* engine() const { return engine_ ? &*engine_ : nullptr; }

 private:
  enum class Halt : std::uint8_t { none, stalled, suspended };
  using Input = std::function<void(vrrp::Engine&, Instant)>;

  Instant clock() const { return queue_.now() - stood_still_; }
  void input(Input run);
  void halt(Halt how);
  void go_on(bool clock_stood_still);
  void pump(vrrp::State before);
  void judge(const std::vector<vrrp::Output>& outputs, vrrp::State before);
  void arm_timer();

  EventQueue& queue_;
  Random& random_;
  vrrp::Settings settings_;
  std::vector<IpAddress> addresses_;
  Hooks hooks_;
  std::optional<vrrp::Engine> engine_;
  Halt halt_ = Halt::none;
  Instant halted_at_{};
  Duration stood_still_{};
  std::optional<Instant> woken_;
  Duration awake_before_ = Duration::max();  // between the last two halts
  std::optional<Duration> last_suspension_;  // by its own clock
  std::optional<Instant> heard_release_;
  bool slept_while_active_ = false;  // at the last waking, for longer than the others wait
  std::deque<Input> held_back_;
  std::vector<bool> links_;
  int adjustment_ = 0;
  int told_adjustment_ = 0;  // what the process knows of it
  bool released_ = false;
  std::uint64_t timer_ = 0;
};

}  // namespace ftfw::sim
