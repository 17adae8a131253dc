#include "tests/netns/lab/traffic.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/pattern.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {
namespace {

constexpr Duration kMessageInterval = 20ms;
constexpr Duration kTick = 5ms;
constexpr Duration kConnectLimit = 10s;
constexpr Duration kFirstBytesLimit = 10s;
constexpr std::uint32_t kPaceBytesPerSecond = 4 * 1024 * 1024;
// More than what can be buffered in a stack that has stopped: bytes after the mark must have crossed.
constexpr std::uint64_t kBytesThatProveLife = 256 * 1024;

using Message = std::array<std::uint8_t, 64>;

// Each message begins with its number, so a stale or doubled one is seen.
Message message_number(std::uint64_t number) {
  Message message{};
  std::ranges::copy(pattern_at(number, message.size()), message.begin());
  std::memcpy(message.data(), &number, sizeof number);
  return message;
}

bool worth_another_try() {
  return errno == EAGAIN || errno == EINTR;
}

}  // namespace

Traffic::Traffic(const Lab& lab, const Amounts& amounts, Opened opened)
    : client_(lab.network(opened == Opened::outwards ? Node::client : Node::server)),
      address_(opened == Opened::outwards ? kServerAddress : kOutsideVirtualAddress) {
  const std::pair<Kind, int> wanted[] = {
      {Kind::echo, amounts.echoes},       {Kind::download, amounts.downloads},
      {Kind::upload, amounts.uploads},    {Kind::idle, amounts.idle},
      {Kind::to_reset, amounts.to_reset}, {Kind::to_finish, amounts.to_finish}};
  for (const auto& [kind, count] : wanted) connect(kind, count);
  thread_ = std::thread([this] { work(); });
  const bool flowing = wait_until(kFirstBytesLimit, [this] {
    const std::lock_guard lock(mutex_);
    return std::ranges::all_of(connections_, [](const Connection& one) { return progress(one) > 0; });
  });
  if (!flowing) {
    stop_ = true;
    thread_.join();
    give_up("traffic: a new connection carries no bytes");
  }
}

Traffic::~Traffic() {
  stop_ = true;
  thread_.join();
}

void Traffic::connect(Kind kind, int count) {
  const Inside inside(client_);
  const std::uint16_t port = kind == Kind::download ? kSourcePort
                             : kind == Kind::upload ? kSinkPort
                                                    : kEchoPort;
  for (int i = 0; i < count; ++i) {
    Connection connection{kind, tcp_connect({address_, port}, kConnectLimit)};
    connection.port = local_port(connection.fd.get());
    set_non_blocking(connection.fd.get());
    if (kind == Kind::upload) set_pace(connection.fd.get(), kPaceBytesPerSecond);
    poller_.add(connection.fd.get(), EPOLLIN | (kind == Kind::upload ? EPOLLOUT : 0U), connections_.size());
    connections_.push_back(std::move(connection));
    // Silent kinds say one thing at first, so that all are established in the firewalls' eyes.
    send_message(connections_.back(), monotonic_now());
  }
}

void Traffic::work() {
  Instant next_tick = monotonic_now();
  while (!stop_) {
    const auto ready = poller_.wait(next_tick - monotonic_now());
    const std::lock_guard lock(mutex_);
    const Instant now = monotonic_now();
    for (const epoll_event& event : ready) service(connections_[event.data.u64], now);
    if (now < next_tick) continue;
    next_tick = now + kTick;
    for (Connection& one : connections_) {
      if (one.kind == Kind::echo && one.received == one.sent && now >= one.next_send) send_message(one, now);
    }
  }
}

void Traffic::service(Connection& connection, Instant now) {
  if (!connection.fd) return;
  switch (connection.kind) {
    case Kind::download:
      return receive_pattern(connection);
    case Kind::upload:
      return send_pattern(connection);
    case Kind::echo:
    case Kind::idle:
    case Kind::to_reset:
    case Kind::to_finish:
      return receive_message(connection, now);
  }
}

// Download and upload connections have no messages.
void Traffic::send_message(Connection& connection, Instant now) {
  if (!connection.fd || connection.kind == Kind::download || connection.kind == Kind::upload) return;
  const Message message = message_number(connection.sent);
  if (::send(connection.fd.get(), message.data(), message.size(), MSG_NOSIGNAL) != std::ssize(message)) {
    return fail(connection, std::string("send: ") + std::strerror(errno));
  }
  ++connection.sent;
  connection.waiting_since = now;
  connection.next_send = now + kMessageInterval;
}

void Traffic::receive_message(Connection& connection, Instant now) {
  Message buffer{};
  const std::size_t missing = buffer.size() - connection.partial;
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), missing, 0);
  if (got < 0 && worth_another_try()) return;
  if (got < 0) return fail(connection, std::strerror(errno));
  if (got == 0) return fail(connection, "closed by the other side");
  const Message expected = message_number(connection.received);
  if (std::memcmp(buffer.data(), expected.data() + connection.partial, static_cast<std::size_t>(got)) != 0) {
    return fail(connection, "an echo that is not what was sent");
  }
  connection.partial += static_cast<std::size_t>(got);
  if (connection.partial < buffer.size()) return;
  connection.partial = 0;
  ++connection.received;
  connection.longest_wait = std::max(connection.longest_wait, now - connection.waiting_since);
}

void Traffic::receive_pattern(Connection& connection) {
  std::array<std::uint8_t, kPatternChunk> buffer{};
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && worth_another_try()) return;
  if (got < 0) return fail(connection, std::strerror(errno));
  if (got == 0) return fail(connection, "closed by the other side");
  const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
  if (!matches_pattern(bytes, connection.received)) return fail(connection, "bytes that were not sent");
  connection.received += bytes.size();
}

void Traffic::send_pattern(Connection& connection) {
  const auto chunk = pattern_at(connection.sent);
  const ssize_t sent = ::send(connection.fd.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
  if (sent < 0 && worth_another_try()) return;
  if (sent < 0) return fail(connection, std::strerror(errno));
  connection.sent += static_cast<std::uint64_t>(sent);
}

void Traffic::fail(Connection& connection, const std::string& what) {
  connection.problem = what;
  connection.fd.reset();
}

std::uint64_t Traffic::progress(const Connection& connection) {
  if (connection.kind != Kind::upload || !connection.fd) return connection.received;
  int unacknowledged = 0;
  ::ioctl(connection.fd.get(), SIOCOUTQ, &unacknowledged);
  return connection.sent - static_cast<std::uint64_t>(unacknowledged);
}

bool Traffic::lives(const Connection& connection) const {
  const bool stream = connection.kind == Kind::download || connection.kind == Kind::upload;
  // An echo that was under way at the mark proves nothing: the second one does.
  const std::uint64_t proof = stream ? kBytesThatProveLife : connection.kind == Kind::echo ? 2 : 1;
  return connection.problem.empty() && progress(connection) >= connection.marked + proof;
}

void Traffic::begin() {
  const std::lock_guard lock(mutex_);
  for (Connection& one : connections_) one.longest_wait = {};
}

void Traffic::mark() {
  const std::lock_guard lock(mutex_);
  for (Connection& one : connections_) one.marked = progress(one);
}

void Traffic::speak() {
  const std::lock_guard lock(mutex_);
  for (Connection& one : connections_) {
    if (one.kind == Kind::idle) send_message(one, monotonic_now());
  }
}

std::vector<std::uint16_t> Traffic::reset(int count) {
  return close_some(Kind::to_reset, count, true);
}

std::vector<std::uint16_t> Traffic::finish(int count) {
  return close_some(Kind::to_finish, count, false);
}

std::vector<std::uint16_t> Traffic::close_some(Kind kind, int count, bool by_reset) {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint16_t> ports;
  for (Connection& one : connections_) {
    if (std::ssize(ports) == count) break;
    if (one.kind != kind || !one.fd) continue;
    if (by_reset) close_by_reset(one.fd.get());
    one.fd.reset();
    ports.push_back(one.port);
  }
  if (std::ssize(ports) < count) give_up("traffic: not enough connections left to close");
  return ports;
}

Traffic::Report Traffic::report() const {
  static constexpr const char* kNames[kKinds] = {"echo", "download", "upload",
                                                 "idle", "to reset", "to finish"};
  const std::lock_guard lock(mutex_);
  Report report;
  std::vector<Duration> waits;
  const auto count = [&](Tally& tally, const Connection& one) {
    ++tally.total;
    if (lives(one)) ++tally.alive;
  };
  for (const Connection& one : connections_) {
    switch (one.kind) {
      case Kind::echo:
        count(report.echoes, one);
        waits.push_back(one.longest_wait);
        break;
      case Kind::download:
        count(report.downloads, one);
        break;
      case Kind::upload:
        count(report.uploads, one);
        break;
      case Kind::idle:
        count(report.idle, one);
        break;
      case Kind::to_reset:
      case Kind::to_finish:
        if (one.problem.empty()) continue;
        break;
    }
    if (lives(one)) continue;
    report.obituaries.push_back(std::string(kNames[static_cast<std::size_t>(one.kind)]) + " from port " +
                                std::to_string(one.port) + ": " +
                                (one.problem.empty() ? "nothing gets through" : one.problem));
  }
  if (!waits.empty()) {
    std::ranges::nth_element(waits, waits.begin() + std::ssize(waits) / 2);
    report.median_stall = waits[waits.size() / 2];
  }
  return report;
}

Traffic::Report Traffic::wait_all_alive(Duration at_most) const {
  wait_until(at_most, [this] { return report().obituaries.empty(); }, 5ms);
  return report();
}

}  // namespace ftfw::lab
