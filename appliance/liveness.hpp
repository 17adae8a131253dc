// One token per thread: when it last came round its loop. The watchdog (failover thread) reads them; a token
// that is older than its limit names the thread that hangs. Lock-free, any thread.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <string_view>

#include "appliance/base/time.hpp"

namespace ftfw {

enum class ThreadName : std::uint8_t { vrrp, failover, lease, capture, replication };

class Liveness {
 public:
  static constexpr std::size_t kThreads = 5;

  void beat(ThreadName thread, Instant now) {
    last_.at(static_cast<std::size_t>(thread))
        .store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }

  // The first thread whose last beat is older than limit. One that never started does not count.
  std::optional<ThreadName> hanging(Instant now, Duration limit) const {
    for (std::size_t i = 0; i < kThreads; ++i) {
      const auto last = last_.at(i).load(std::memory_order_relaxed);
      if (last != 0 && now - Instant(Duration(last)) > limit) return static_cast<ThreadName>(i);
    }
    return std::nullopt;
  }

 private:
  std::array<std::atomic<Duration::rep>, kThreads> last_{};
};

std::string_view name_of(ThreadName thread);

// Every thread comes round at least this often.
inline constexpr Duration kBeatInterval = 1s;

}  // namespace ftfw
