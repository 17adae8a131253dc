#include "vrrp/notice.hpp"

#include <utility>

namespace ftfw::vrrp {
namespace {

bool begins_episode(std::optional<Instant>& last, Instant now) {
  const std::optional<Instant> before = std::exchange(last, now);
  return !before || now - *before > kNoticeQuiet;
}

}  // namespace

bool NoticeEpisodes::happens(Instant now, NoticeKind kind) {
  return begins_episode(kinds_.at(static_cast<std::size_t>(kind)), now);
}

bool NoticeEpisodes::happens(Instant now, const Rejected& rejected) {
  return begins_episode(rejected.error ? malformed_.at(static_cast<std::size_t>(*rejected.error))
                                       : rejected_.at(static_cast<std::size_t>(rejected.reason)),
                        now);
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
    case RejectReason::malformed:
    case RejectReason::wrong_destination:
    case RejectReason::source_not_link_local:
    case RejectReason::source_not_allowed:
      return NoticeKind::malformed;
    case RejectReason::own_packet:
    case RejectReason::other_id:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ftfw::vrrp
