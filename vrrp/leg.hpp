// One virtual router as the engine knows it: its link, its timers, who was last heard. The down timer is kept
// as "from when" and "what for", so that another priority moves it without restarting it. A value of the
// engine.
#pragma once

#include <cstdint>
#include <optional>

#include "vrrp/notice.hpp"
#include "vrrp/settings.hpp"
#include "vrrp/steady_link.hpp"

namespace ftfw::vrrp {

// For the status: the last advertisement with a priority above 0 on a leg.
struct Heard {
  Instant at;
  IpAddress address;
  std::uint8_t priority = 0;
};

// What a Backup waits for before it claims.
enum class DownWait : std::uint8_t {
  down_interval,      // Active_Down_Interval
  skew,               // after a priority 0
  interval_and_skew,  // after own lateness: whoever is Active has said so by then
};

struct Leg {
  Leg(const Settings& settings, const RouterSettings& router);

  // The link's and the address's state together; nothing: the leg is not usable.
  std::optional<IpAddress> address() const { return link.usable() ? reported_address : std::nullopt; }

  Duration skew(std::uint8_t priority) const;
  Duration down_interval(std::uint8_t priority) const;
  // The best Backup that can be waiting for us takes over after this; it waits in our interval.
  Duration patience_of_others() const;

  // RFC 9568 6.4.2: version 3 learns Active_Adver_Interval; in version 2 all are the same or dropped.
  void learn_interval(Duration advertised) { active_interval = version == 3 ? advertised : active_interval; }

  void arm(Instant from, DownWait wait, std::uint8_t priority);
  // A priority 0 only ever shortens: a stream of them must not hold a claim back.
  void shorten_to_skew(Instant now, std::uint8_t priority);
  // For a Backup whose priority was `before` until now. Raised, it never fires earlier than a skew from now.
  void use_priority(Instant now, std::uint8_t before, std::uint8_t priority);

  std::uint8_t version;
  int missed;
  Duration own_interval;
  SteadyLink link;
  std::optional<IpAddress> reported_address;
  Duration active_interval;  // Active_Adver_Interval: ours, or in version 3 the learned one
  Instant deadline;          // backup: Active_Down_Timer; active: Adver_Timer
  Instant last_sent;
  std::optional<Instant> last_answer;
  std::optional<Heard> last_heard;
  NoticeEpisodes notices;

 private:
  Duration length(DownWait wait, std::uint8_t priority) const;

  Instant counts_from_;
  DownWait wait_ = DownWait::down_interval;
};

}  // namespace ftfw::vrrp
