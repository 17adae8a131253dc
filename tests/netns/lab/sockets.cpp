#include "tests/netns/lab/sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

const sockaddr* generic(const sockaddr_in* address) {
  return reinterpret_cast<const sockaddr*>(address);
}

template <typename T>
void set_option(int socket, int level, int option, const T& value, const char* what) {
  checked(::setsockopt(socket, level, option, &value, sizeof value), what);
}

UniqueFd bound(int type, const Endpoint& local) {
  UniqueFd fd(checked(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  const sockaddr_in address = to_sockaddr(local);
  checked(::bind(fd.get(), generic(&address), sizeof address), "bind");
  return fd;
}

}  // namespace

sockaddr_in to_sockaddr(const Endpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) != 1) {
    give_up("not an IPv4 address: " + endpoint.address);
  }
  return address;
}

std::uint16_t local_port(int socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  checked(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  return ntohs(address.sin_port);
}

UniqueFd tcp_listener(const Endpoint& local) {
  UniqueFd fd = bound(SOCK_STREAM, local);
  checked(::listen(fd.get(), SOMAXCONN), "listen");
  return fd;
}

UniqueFd udp_socket(const Endpoint& local) {
  return bound(SOCK_DGRAM, local);
}

UniqueFd tcp_connect(const Endpoint& to, Duration at_most) {
  UniqueFd fd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(at_most).count();
  const timeval limit{micros / 1'000'000, micros % 1'000'000};
  set_option(fd.get(), SOL_SOCKET, SO_SNDTIMEO, limit, "SO_SNDTIMEO");
  set_option(fd.get(), SOL_SOCKET, SO_RCVTIMEO, limit, "SO_RCVTIMEO");
  const sockaddr_in address = to_sockaddr(to);
  if (::connect(fd.get(), generic(&address), sizeof address) != 0) {
    give_up_errno("connect to " + to.address + " port " + std::to_string(to.port));
  }
  return fd;
}

void set_non_blocking(int socket) {
  checked(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK), "O_NONBLOCK");
}

void set_pace(int socket, std::uint32_t bytes_per_second) {
  set_option(socket, SOL_SOCKET, SO_MAX_PACING_RATE, bytes_per_second, "SO_MAX_PACING_RATE");
}

void close_by_reset(int socket) {
  set_option(socket, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0}, "SO_LINGER");
}

Poller::Poller() : epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void Poller::add(int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void Poller::change(int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event), "epoll_ctl");
}

std::span<const epoll_event> Poller::wait(Duration at_most) {
  const auto millis =
      std::chrono::ceil<std::chrono::milliseconds>(std::max(at_most, Duration::zero())).count();
  const int count =
      ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), static_cast<int>(millis));
  return {ready_.data(), static_cast<std::size_t>(std::max(count, 0))};
}

void become_punctual() {
  // Refused without CAP_SYS_NICE: then the figures are merely a little worse.
  const sched_param lowest_real_time{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_FIFO, &lowest_real_time);
}

}  // namespace ftfw::lab
