// Things that an operator must know and that change nothing in the election. Bounded: a kind is told once per
// leg and episode, a dropped packet once per leg, class (reject reason or decode error) and episode; an
// episode ends when the thing has not happened for kNoticeQuiet. So a peer with another version is one line,
// and not one per advertisement, however the good and the bad packets are mixed, and a flood of bad ones is
// one line.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance/base/time.hpp"
#include "vrrp/reception.hpp"

namespace ftfw::vrrp {

enum class NoticeKind : std::uint8_t {
  malformed,                // a packet for us that no router sends; one notice a class
  version_mismatch,         // both sides ignore each other: two primaries
  authentication_mismatch,  // likewise
  interval_mismatch,        // likewise (version 2)
  address_mismatch,         // the peer's address list differs
  duplicate_id,             // its address list has nothing in common with ours: somebody else uses the id
  competing_active,         // another node with less right is Active too
  preemption_blocked,       // a lower priority is Active, and why it may stay
  lateness,                 // this machine was not run in time
};
inline constexpr std::size_t kNoticeKindCount = 9;
inline constexpr Duration kNoticeQuiet = 60s;

struct Notice {
  NoticeKind kind = NoticeKind::lateness;
  std::size_t router = 0;  // index into Settings::routers
  std::string text;        // complete by itself: names the leg and the other side
};

// The kind of notice that a dropped packet deserves, if any.
std::optional<NoticeKind> notice_for(RejectReason reason);

// The running episodes of one leg.
class NoticeEpisodes {
 public:
  // Each notes that it happens; true if this is news.
  bool happens(Instant now, NoticeKind kind);
  bool happens(Instant now, const Rejected& rejected);

 private:
  using Last = std::optional<Instant>;
  std::array<Last, kNoticeKindCount> kinds_{};
  std::array<Last, kRejectReasonCount> rejected_{};
  std::array<Last, kDecodeErrorCount> malformed_{};
};

}  // namespace ftfw::vrrp
