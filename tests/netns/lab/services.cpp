#include "tests/netns/lab/services.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "tests/netns/lab/pattern.hpp"

namespace ftfw::lab {
namespace {

constexpr std::size_t kMostConnections = 4096;
constexpr std::uint32_t kPaceBytesPerSecond = 4 * 1024 * 1024;
constexpr Duration kStopCheck = 50ms;

}  // namespace

Services::Services(const Lab& lab, Opened opened) {
  const bool at_server = opened == Opened::outwards;
  const std::string address = at_server ? kServerAddress : kClientAddress;
  run_in(lab.network(at_server ? Node::server : Node::client), [&] {
    echo_listener_ = tcp_listener({address, kEchoPort});
    source_listener_ = tcp_listener({address, kSourcePort});
    sink_listener_ = tcp_listener({address, kSinkPort});
    udp_ = udp_socket({address, kProbePort});
  });
  for (const UniqueFd* listener : {&echo_listener_, &source_listener_, &sink_listener_}) {
    poller_.add(listener->get(), EPOLLIN, static_cast<std::uint64_t>(listener->get()));
  }
  tcp_thread_ = std::thread([this] { serve_tcp(); });
  udp_thread_ = std::thread([this] { serve_udp(); });
}

Services::~Services() {
  stop_ = true;
  tcp_thread_.join();
  udp_thread_.join();
}

Services::Counts Services::counts() const {
  return {accepted_, resets_, finished_, wrong_bytes_, echo_overflows_};
}

void Services::serve_tcp() {
  while (!stop_) {
    for (const epoll_event& event : poller_.wait(kStopCheck)) {
      const int fd = static_cast<int>(event.data.u64);
      if (fd == echo_listener_.get()) {
        accept_from(fd, Kind::echo);
      } else if (fd == source_listener_.get()) {
        accept_from(fd, Kind::source);
      } else if (fd == sink_listener_.get()) {
        accept_from(fd, Kind::sink);
      } else if (const auto found = connections_.find(fd); found != connections_.end()) {
        if (!handle(found->second)) connections_.erase(found);
      }
    }
  }
}

void Services::accept_from(int listener, Kind kind) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd || connections_.size() >= kMostConnections) return;
  ++accepted_;
  if (kind == Kind::source) set_pace(fd.get(), kPaceBytesPerSecond);
  const int number = fd.get();
  poller_.add(number, EPOLLIN | (kind == Kind::source ? EPOLLOUT : 0U), static_cast<std::uint64_t>(number));
  connections_.insert_or_assign(number, Connection{kind, std::move(fd)});
}

// False when the connection is over; closing it also takes it out of the poller.
bool Services::handle(Connection& connection) {
  switch (connection.kind) {
    case Kind::echo:
      return echo(connection);
    case Kind::source:
      return send_pattern(connection);
    case Kind::sink:
      return check_pattern(connection);
  }
  std::unreachable();
}

// What a read or write that brought nothing means: try later (false), or the end, which is counted.
bool Services::ended(ssize_t result) {
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (result == 0) {
    ++finished_;
  } else {
    ++resets_;
  }
  return true;
}

bool Services::echo(Connection& connection) {
  std::array<std::uint8_t, 4096> buffer{};
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return !ended(got);
  // Clients send a message only after the last one came back, so it always fits into the send buffer.
  const ssize_t sent =
      ::send(connection.fd.get(), buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
  if (sent == got) return true;
  ++echo_overflows_;
  return false;
}

bool Services::send_pattern(Connection& connection) {
  std::uint8_t byte = 0;
  const ssize_t got = ::recv(connection.fd.get(), &byte, 1, MSG_PEEK);
  if (got <= 0 && ended(got)) return false;
  const auto chunk = pattern_at(connection.offset);
  const ssize_t sent = ::send(connection.fd.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
  if (sent < 0) return !ended(sent);
  connection.offset += static_cast<std::uint64_t>(sent);
  return true;
}

bool Services::check_pattern(Connection& connection) {
  std::array<std::uint8_t, kPatternChunk> buffer{};
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return !ended(got);
  const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
  if (!matches_pattern(bytes, connection.offset)) ++wrong_bytes_;
  connection.offset += bytes.size();
  return true;
}

void Services::serve_udp() {
  become_punctual();
  std::array<std::uint8_t, 2048> buffer{};
  while (!stop_) {
    pollfd readable{udp_.get(), POLLIN, 0};
    if (::poll(&readable, 1, 50) <= 0) continue;
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) continue;
    // An unsent answer is a lost probe, and the probe counts those.
    ::sendto(udp_.get(), buffer.data(), static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from),
             length);
  }
}

}  // namespace ftfw::lab
