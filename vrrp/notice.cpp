#include "vrrp/notice.hpp"

#include <utility>

namespace ftfw::vrrp {

bool NoticeEpisodes::happens(Instant now, NoticeKind kind) {
  const std::optional<Instant> before = std::exchange(last_.at(static_cast<std::size_t>(kind)), now);
  return !before || now - *before > kNoticeQuiet;
}

std::optional<NoticeKind> notice_for(RejectReason reason) {
  switch (reason) {
    case RejectReason::version_mismatch:
      return NoticeKind::version_mismatch;
    case RejectReason::authentication_mismatch:
      return NoticeKind::authentication_mismatch;
    case RejectReason::interval_mismatch:
      return NoticeKind::interval_mismatch;
    case RejectReason::wrong_ttl:
    case RejectReason::own_packet:
    case RejectReason::wrong_destination:
    case RejectReason::malformed:
    case RejectReason::other_id:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ftfw::vrrp
