#include "tests/netns/lab/probe.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <ctime>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/services.hpp"

namespace ftfw::lab {

Probe::Probe(const Lab& lab) {
  run_in(lab.network(Node::client), [&] {
    socket_ = udp_socket({kClientAddress, 0});
    const sockaddr_in server = to_sockaddr({kServerAddress, kProbePort});
    checked(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server), "connect");
  });
  last_answer_ = monotonic_now();
  thread_ = std::thread([this] { work(); });
}

Probe::~Probe() {
  stop_ = true;
  thread_.join();
}

Probe::Report Probe::report() const {
  const std::lock_guard lock(mutex_);
  Report report = report_;
  const Instant now = monotonic_now();
  if (now - last_answer_ > report.longest_gap) {
    report.longest_gap = now - last_answer_;
    report.gap_begin = last_answer_;
    report.gap_end = now;
  }
  const auto under_way = static_cast<std::uint64_t>(kUnderWay / kInterval);
  const std::uint64_t missing = report.sent - std::min(report.sent, report.answered);
  report.lost = missing > under_way || report.sent < under_way ? missing : 0;
  return report;
}

void Probe::begin() {
  const std::lock_guard lock(mutex_);
  report_ = {};
  first_counted_ = next_sequence_;
}

void Probe::work() {
  become_punctual();
  Instant next = monotonic_now();
  while (!stop_) {
    const Duration left = next - monotonic_now();
    if (left <= Duration::zero()) {
      send_one();
      // After a pause of the machine itself it goes on from now instead of catching up.
      next = std::max(next + kInterval, monotonic_now() - kInterval);
      continue;
    }
    pollfd readable{socket_.get(), POLLIN, 0};
    const timespec timeout{0, left.count()};
    if (::ppoll(&readable, 1, &timeout, nullptr) > 0) receive_all();
  }
}

void Probe::send_one() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t sequence = next_sequence_++;
  // An error (no carrier, no neighbour) means the same as a lost datagram: no answer.
  ::send(socket_.get(), &sequence, sizeof sequence, 0);
  ++report_.sent;
}

void Probe::receive_all() {
  std::uint64_t sequence = 0;
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), &sequence, sizeof sequence, 0);
    if (got != sizeof sequence) return;
    const std::lock_guard lock(mutex_);
    const Instant now = monotonic_now();
    if (now - last_answer_ > report_.longest_gap) {
      report_.longest_gap = now - last_answer_;
      report_.gap_begin = last_answer_;
      report_.gap_end = now;
    }
    last_answer_ = now;
    if (sequence >= first_counted_) ++report_.answered;
  }
}

}  // namespace ftfw::lab
