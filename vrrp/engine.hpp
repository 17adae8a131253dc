// The election of one sync group: all its virtual routers share one state and one effective priority, and the
// advertisements on each leg are only the wire form of that. Sources: RFC 9568 6.4, RFC 3768 6.4; the group
// rules are in README.md. Pure: time and packets come in, outputs are data; owned and used by one thread.
// Invariants: Active only while every leg has a link and an address and every tracked interface without
// weight is up; the advertisements that announce a state are put out before its StateChanged; nothing is put
// out after stop().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vrrp/counters.hpp"
#include "vrrp/election.hpp"
#include "vrrp/leg.hpp"
#include "vrrp/output.hpp"
#include "vrrp/preemption.hpp"
#include "vrrp/reception.hpp"
#include "vrrp/settings.hpp"
#include "vrrp/state.hpp"
#include "vrrp/tracking.hpp"

namespace ftfw::vrrp {

// A losing or releasing advertisement is answered at once, and so is a change of priority told, but a leg
// does that no faster than this, which is the shortest interval of version 3: a flood must not become a flood
// of ours.
inline constexpr Duration kAnswerSpacing = 10ms;

struct RouterStatus {
  std::optional<IpAddress> address;    // primary address; nothing: no usable link, or no address
  std::optional<Instant> usable_from;  // the link is up and its up-delay ends then
  std::optional<Heard> last_heard;
};

struct Transition {
  Instant at;
  Cause cause;
};

class Engine {
 public:
  explicit Engine(Settings settings);

  // From initialize to backup, or to fault while a leg is not usable or a tracked interface without weight is
  // down (what is not reported yet is down, so report it first; what is up then has no up-delay to wait for).
  // The first claim comes no earlier than Settings::startup_delay from now. After release() it is the same as
  // reclaim().
  void start(Instant now);

  // The leg's link and the address of its family on it (IPv4: primary, IPv6: link-local), as they are now.
  // Without either the whole group is in fault. The leg's up-delay is applied here.
  void on_link(Instant now, std::size_t router, bool usable, std::optional<IpAddress> address);
  // tracked: index into Settings::tracked_interfaces.
  void on_tracked_interface(Instant now, std::size_t tracked, bool up);
  void on_packet(Instant now, std::size_t router, const ReceivedPacket& packet);
  void on_timer(Instant now);
  // The machine was suspended for so long, in which the clock of `now` stood still (CLOCK_MONOTONIC does,
  // CLOCK_BOOTTIME does not). Call it before anything else that follows the sleep.
  void on_suspended(Instant now, Duration asleep);

  // What is added to the configured priority besides the tracked interfaces: the sum of the tracked files.
  void set_priority_adjustment(Instant now, int adjustment);
  // While held the effective priority is kFloorPriority: Active only if nobody else wants to be.
  void hold_at_floor(Instant now, bool hold);

  // False: replication from a living primary is not finished. A lower priority is then not preempted, for at
  // most Settings::sync_wait. It never delays the takeover from a primary that is silent or has released.
  void set_in_sync(Instant now, bool in_sync);

  // Planned hand-over; the caller has removed the virtual addresses. Priority 0 on every leg, then backup,
  // and no claim until start() or reclaim().
  void release(Instant now);
  // Claims again; listens for a whole down interval first.
  void reclaim(Instant now);
  // To initialize; nothing is sent.
  void stop(Instant now);

  std::optional<Instant> next_deadline() const;
  std::vector<Output> take_outputs();

  State state() const { return state_; }
  // What is advertised and judged with.
  std::uint8_t effective_priority() const { return priority_; }
  const Settings& settings() const { return settings_; }
  const Counters& counters() const { return counters_; }
  RouterStatus router(std::size_t index) const;
  // Up, and for as long as its up-delay asks.
  bool tracked_interface_usable(std::size_t tracked) const { return tracking_.usable(tracked); }
  // What keeps a Backup from claiming although its priority would allow it; empty: nothing.
  std::string_view waits_for(Instant now) const;
  const std::optional<Transition>& last_transition() const { return last_transition_; }

 private:
  // Transitions.
  void begin_listening(Instant now, Cause cause);
  void become_active(Instant now, Cause::Kind kind);
  void change_state(Instant now, State to, Cause cause);

  // Links and priority (engine_inputs.cpp).
  void settle_links(Instant now);
  void tracked_interface_changed(Instant now, std::size_t tracked);
  void reconsider(Instant now, Cause restored);
  std::optional<Cause> obstacle() const;
  void use_priority(Instant now);
  std::uint8_t computed_priority() const;
  void tell_priority(Instant now);
  void restart_by_last_heard(Instant now);

  // Reception (engine_reception.cpp).
  void drop(Instant now, std::size_t router, const ReceivedPacket& packet, const Rejected& rejected);
  void compare_addresses(Instant now, std::size_t router, const ReceivedPacket& packet, AddressMatch match);
  bool hear(Instant now, std::size_t router, const Advertisement& advertisement, const IpAddress& source);
  void follow(Instant now, std::size_t router, const Advertisement& advertisement);
  void answer(Instant now, std::size_t router);
  void assert_claim(Instant now, std::size_t router);
  void step_down(Instant now, std::size_t router, const Advertisement& advertisement);
  OwnClaim own_claim(Instant now) const;
  void decide_tie_by_first_leg(OwnClaim& own, HeardClaim& heard) const;

  // Timers (engine_timers.cpp).
  void advertise(Instant now, std::size_t router, std::uint8_t priority);
  void advertise_on_all(Instant now, std::uint8_t priority);
  std::vector<IpAddress> destinations(std::size_t router) const;
  void arm_down_timers(Instant now, DownWait wait = DownWait::down_interval);
  void check_own_lateness(Instant now, Duration asleep = {});
  bool listen_again_when_late(Instant now, Instant due);
  std::optional<Instant> election_deadline() const;
  bool may_claim() const;
  bool may_preempt(Instant now) const;
  Cause::Kind reason_to_claim(Instant now) const;

  void tell(Instant now, NoticeKind kind, std::size_t router, std::string text);
  std::string leg_name(std::size_t router) const;

  Settings settings_;
  std::vector<Leg> legs_;
  Tracking tracking_;
  Preemption preemption_;
  Counters counters_;
  std::vector<Output> outputs_;

  State state_ = State::initialize;
  std::optional<Transition> last_transition_;
  bool claim_at_once_ = false;  // first time in backup after start(): skip the wait
  Instant earliest_claim_;      // startup_delay
  bool released_ = false;       // no claim until reclaim()

  int adjustment_ = 0;
  bool at_floor_ = false;
  std::uint8_t priority_;  // effective: of the configured one, the tracked interfaces and these two

  bool listened_again_ = false;  // the one grace after a late wake-up is used up
  bool woke_late_ = false;       // in backup since: whoever is heard first was Active while we slept

  std::optional<Instant> last_advertisement_;  // of anybody else, on any leg, priority 0 included
  bool peer_active_ = false;  // a priority above 0 was heard since the last silence, release or claim of ours
  bool peer_released_ = false;  // the last thing heard was a priority 0
  std::optional<Instant> announced_again_;
};

}  // namespace ftfw::vrrp
