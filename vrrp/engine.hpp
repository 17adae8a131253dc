// The election of one sync group: all its virtual routers share one state and one effective priority, and the
// advertisements on each leg are only the wire form of that. Sources: RFC 9568 6.4, RFC 3768 6.4; the group
// rules are in README.md. Pure: time and packets come in, outputs are data; owned and used by one thread.
// Invariants: Active only while every leg has a link and an address; the advertisements that announce a state
// are put out before its StateChanged; nothing is put out after stop().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vrrp/counters.hpp"
#include "vrrp/election.hpp"
#include "vrrp/output.hpp"
#include "vrrp/reception.hpp"
#include "vrrp/settings.hpp"
#include "vrrp/state.hpp"

namespace ftfw::vrrp {

// A losing or releasing advertisement is answered at once, but a leg answers no faster than this, which is
// the shortest interval of version 3: a flood of them must not become a flood of ours.
inline constexpr Duration kAnswerSpacing = 10ms;

// For the status: the last advertisement with a priority above 0 on a leg.
struct Heard {
  Instant at;
  IpAddress address;
  std::uint8_t priority = 0;
};

struct RouterStatus {
  std::optional<IpAddress> address;  // primary address; nothing: no usable link, or no address
  std::optional<Heard> last_heard;
};

struct Transition {
  Instant at;
  Cause cause;
};

class Engine {
 public:
  explicit Engine(Settings settings);

  // From initialize to backup, or to fault while a leg is not usable (legs not reported yet are not usable,
  // so report them first). After release() it is the same as reclaim().
  void start(Instant now);

  // The leg's link and primary address as they are now. Without either the whole group is in fault.
  void on_link(Instant now, std::size_t router, bool usable, std::optional<IpAddress> primary_address);
  void on_packet(Instant now, std::size_t router, const ReceivedPacket& packet);
  void on_timer(Instant now);

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
  std::uint8_t effective_priority() const { return settings_.priority; }
  const Settings& settings() const { return settings_; }
  const Counters& counters() const { return counters_; }
  RouterStatus router(std::size_t index) const;
  const std::optional<Transition>& last_transition() const { return last_transition_; }

 private:
  struct Leg {
    std::optional<IpAddress> address;  // nothing: the leg is not usable
    Duration active_interval{};        // Active_Adver_Interval: ours, or in version 3 the learned one
    Instant deadline;                  // backup: Active_Down_Timer; active: Adver_Timer
    Instant last_sent;
    std::optional<Instant> last_answer;
    std::optional<Heard> last_heard;
    NoticeEpisodes notices;
  };

  // Transitions.
  void begin_listening(Instant now, Cause cause);
  void become_active(Instant now, Cause::Kind kind);
  void fail(Instant now, std::size_t router);
  void change_state(Instant now, State to, Cause cause);

  // Reception.
  bool hear(Instant now, std::size_t router, const Advertisement& advertisement, const IpAddress& source);
  void follow(Instant now, std::size_t router, const Advertisement& advertisement);
  void shorten_to_skew(Instant now);
  void answer(Instant now, std::size_t router);
  void assert_claim(Instant now, std::size_t router);
  void step_down(Instant now, std::size_t router, const Advertisement& advertisement);
  OwnClaim own_claim(Instant now) const;
  void decide_tie_by_first_leg(OwnClaim& own, HeardClaim& heard) const;

  // Timers.
  void advertise(Instant now, std::size_t router, std::uint8_t priority);
  void advertise_on_all(Instant now, std::uint8_t priority);
  void arm_down_timers(Instant now);
  Duration down_interval(const Leg& leg) const;
  void learn_interval(Leg& leg, const Advertisement& advertisement) const;
  void check_own_lateness(Instant now);
  bool listen_again_when_late(Instant now, Instant due);
  bool may_claim() const;
  bool may_preempt(Instant now) const;
  Cause::Kind reason_to_claim(Instant now) const;
  std::optional<std::size_t> first_unusable_leg() const;

  void tell(Instant now, NoticeKind kind, std::size_t router, std::string text);
  std::string leg_name(std::size_t router) const;

  Settings settings_;
  std::vector<Leg> legs_;
  Counters counters_;
  std::vector<Output> outputs_;

  State state_ = State::initialize;
  std::optional<Transition> last_transition_;
  bool claim_at_once_ = false;   // first time in backup after start(): skip the wait
  bool released_ = false;        // no claim until reclaim()
  bool listened_again_ = false;  // the one grace after a late wake-up is used up

  bool in_sync_ = true;
  Instant sync_block_ends_;  // while not in_sync_

  std::optional<Instant> last_advertisement_;  // of anybody else, on any leg, priority 0 included
  bool peer_active_ = false;  // a priority above 0 was heard since the last silence, release or claim of ours
  bool peer_released_ = false;  // the last thing heard was a priority 0
  std::optional<Instant> announced_again_;
};

}  // namespace ftfw::vrrp
