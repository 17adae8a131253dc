// Whether a lower priority that is Active may be preempted now, and if not, why: Preempt_Mode (RFC 9568 6.1),
// preempt_delay, and "not in sync with it". It never delays the takeover from a primary that is silent or has
// released; what is not allowed here is followed. Pure; owned by the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

enum class PreemptionBlock : std::uint8_t {
  by_configuration,  // preempt = false
  not_in_sync,       // for at most sync_wait
  delayed,           // it has not been seen as Active for preempt_delay
};
std::string_view to_string(PreemptionBlock block);

class Preemption {
 public:
  explicit Preemption(const Settings& settings);

  // True if it blocks from now on.
  bool set_in_sync(Instant now, bool in_sync);

  // An advertisement of another node; the delay runs while a lower priority is Active and nobody else.
  void hear(Instant now, std::uint8_t priority, std::uint8_t own_priority);
  // Nobody is Active that we know of: the delay begins anew with the next one.
  void forget() { lower_since_.reset(); }

  std::optional<PreemptionBlock> block(Instant now) const;

 private:
  bool preempt_;
  Duration delay_;
  Duration sync_wait_;
  bool in_sync_ = true;
  Instant sync_block_ends_;  // while not in_sync_
  std::optional<Instant> lower_since_;
};

}  // namespace ftfw::vrrp
