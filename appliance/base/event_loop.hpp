// One thread's waiting: file descriptors and one deadline. Owned and used by a single thread. The loop asks
// its owner for the next deadline before each wait, so engines keep their own timers as plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw {

class EventLoop {
 public:
  // ready: epoll events (EPOLLIN ...) of the descriptor.
  using Handler = std::move_only_function<void(std::uint32_t ready)>;

  EventLoop();

  // The descriptor stays the caller's. Watching one twice replaces the handler.
  Status watch(int fd, std::uint32_t events, Handler handler);
  void unwatch(int fd);

  // Waits until a descriptor is ready or the deadline (CLOCK_MONOTONIC) has passed; runs the handlers of what
  // is ready. True if any handler ran. No deadline waits for ever.
  bool run_once(std::optional<Instant> deadline);

  // Any thread: makes the present or next run_once() return soon.
  void wake() const;

 private:
  UniqueFd epoll_;
  UniqueFd wake_;
  std::map<int, Handler> handlers_;
};

}  // namespace ftfw
