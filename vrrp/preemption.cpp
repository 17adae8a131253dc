#include "vrrp/preemption.hpp"

#include <utility>

namespace ftfw::vrrp {

std::string_view to_string(PreemptionBlock block) {
  switch (block) {
    case PreemptionBlock::by_configuration:
      return "preempt = false";
    case PreemptionBlock::not_in_sync:
      return "not in sync with it yet";
    case PreemptionBlock::delayed:
      return "preempt_delay has not passed";
  }
  return "?";
}

Preemption::Preemption(const Settings& settings)
    : preempt_(settings.preempt), delay_(settings.preempt_delay), sync_wait_(settings.sync_wait) {}

bool Preemption::set_in_sync(Instant now, bool in_sync) {
  if (in_sync == std::exchange(in_sync_, in_sync) || in_sync) return false;
  sync_block_ends_ = now + sync_wait_;
  return true;
}

void Preemption::hear(Instant now, std::uint8_t priority, std::uint8_t own_priority) {
  if (priority == kPriorityRelease || priority >= own_priority) {
    lower_since_.reset();
  } else if (!lower_since_) {
    lower_since_ = now;
  }
}

std::optional<PreemptionBlock> Preemption::block(Instant now) const {
  if (!preempt_) return PreemptionBlock::by_configuration;
  if (!in_sync_ && now < sync_block_ends_) return PreemptionBlock::not_in_sync;
  if (delay_ > Duration::zero() && (!lower_since_ || now - *lower_since_ < delay_))
    return PreemptionBlock::delayed;
  return std::nullopt;
}

}  // namespace ftfw::vrrp
