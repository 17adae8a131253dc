#include "appliance/base/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "appliance/base/clock.hpp"

namespace ftfw {

EventLoop::EventLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
}

void EventLoop::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

Status EventLoop::watch(int fd, std::uint32_t events, Handler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  const int operation = handlers_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) return fail_errno("epoll_ctl", errno);
  handlers_[fd] = std::move(handler);
  return {};
}

void EventLoop::unwatch(int fd) {
  if (handlers_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool EventLoop::run_once(std::optional<Instant> deadline) {
  std::array<epoll_event, 16> ready{};
  timespec limit{};
  if (deadline) {
    const Duration left = std::max(*deadline - monotonic_now(), Duration::zero());
    limit.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count();
    limit.tv_nsec = (left % std::chrono::seconds(1)).count();
  }
  const int count = ::epoll_pwait2(epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                                   deadline ? &limit : nullptr, nullptr);
  bool ran = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready.at(static_cast<std::size_t>(i));
    if (event.data.fd == wake_.get()) {
      std::uint64_t wakeups = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &wakeups, sizeof wakeups);
      continue;
    }
    // A handler may unwatch descriptors that are ready in the same round.
    const auto found = handlers_.find(event.data.fd);
    if (found == handlers_.end()) continue;
    found->second(event.events);
    ran = true;
  }
  return ran;
}

}  // namespace ftfw
