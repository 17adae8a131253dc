// A rate that something in the background keeps to: a burst at once, then so many a second. A value.
#pragma once

#include <cstdint>

#include "appliance/base/time.hpp"

namespace ftfw::sync {

class Pace {
 public:
  static constexpr std::uint64_t kBurst = 256;

  Pace() = default;
  // per_second 0: no limit.
  Pace(Instant started, std::uint32_t per_second) : started_(started), per_second_(per_second) {}

  void done(std::uint64_t count = 1) { done_ += count; }
  bool allows(Instant now) const { return now >= allowed_at(); }
  Instant allowed_at() const {
    if (per_second_ == 0 || done_ < kBurst) return started_;
    const std::uint64_t beyond = done_ - kBurst;
    return started_ + std::chrono::seconds(beyond / per_second_) +
           Duration(1s) * static_cast<std::int64_t>(beyond % per_second_) / per_second_;
  }

 private:
  Instant started_{};
  std::uint32_t per_second_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace ftfw::sync
