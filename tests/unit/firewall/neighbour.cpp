#include "tests/unit/firewall/neighbour.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

#include "tests/unit/firewall/network_namespace.hpp"

namespace ftfw::firewall::test {
namespace {

constexpr int kSilenceMs = 150;
constexpr int kPatienceMs = 5000;

// IPv4 as ::ffff:a.b.c.d, so that one kind of socket does for both.
sockaddr_in6 socket_address(const std::string& text, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  const auto parsed = IpAddress::parse(text);
  if (!parsed) return address;
  const ByteSpan bytes = parsed->bytes();
  if (parsed->is_ipv4()) address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
  std::ranges::copy(bytes, address.sin6_addr.s6_addr + (16 - bytes.size()));
  return address;
}

UniqueFd open_socket(int type, const std::string& address, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  const int no = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  const sockaddr_in6 own = socket_address(address, port);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
    throw std::runtime_error(fmt::format("cannot bind {}:{}", address, port));
  return socket;
}

bool becomes(const UniqueFd& socket, short events, int timeout_ms) {
  pollfd waiting{.fd = socket.get(), .events = events, .revents = 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

UniqueFd open_namespace(pid_t pid) {
  return UniqueFd(::open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

Neighbour::Neighbour(const std::string& ours) : own_(open_namespace(::getpid())) {
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  const UniqueFd read_end(ready[0]);
  holder_ = ::fork();
  if (holder_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool moved = ::unshare(CLONE_NEWNET) == 0;
    if (::write(ready[1], "x", moved ? 1 : 0) < 0) ::_exit(1);
    ::close(ready[1]);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  if (::read(read_end.get(), &byte, 1) != 1) throw std::runtime_error("a neighbour has no namespace");
  theirs_ = open_namespace(holder_);
  // Before there is a link: a tentative link-local address asks for no neighbour for a second or two.
  const char* no_dad = "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0";
  test::run(no_dad);
  run(no_dad);
  test::run(fmt::format("ip link add {} type veth peer name eth0 netns {} && ip link set {} up", ours,
                        holder_, ours));
  run("ip link set lo up; ip link set eth0 up");
}

Neighbour::~Neighbour() {
  ::kill(holder_, SIGKILL);
  ::waitpid(holder_, nullptr, 0);
}

void Neighbour::inside(const std::function<void()>& work) const {
  if (::setns(theirs_.get(), CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter the neighbour");
  try {
    work();
  } catch (...) {
    ::setns(own_.get(), CLONE_NEWNET);
    throw;
  }
  if (::setns(own_.get(), CLONE_NEWNET) != 0) throw std::runtime_error("cannot leave the neighbour");
}

void Neighbour::run(const std::string& commands) const {
  inside([&] { test::run(commands); });
}

Outcome connect_to(const std::string& address, std::uint16_t port, const std::string& from) {
  const UniqueFd socket = open_socket(SOCK_STREAM, from, 0);
  const sockaddr_in6 to = socket_address(address, port);
  int problem = 0;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) problem = errno;
  if (problem == EINPROGRESS) {
    if (!becomes(socket, POLLOUT, kSilenceMs)) return Outcome::silence;
    socklen_t length = sizeof problem;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &problem, &length);
  }
  if (problem == 0) return Outcome::connected;
  return problem == ECONNREFUSED ? Outcome::refused : Outcome::unreachable;
}

UniqueFd listen_on(std::uint16_t port) {
  UniqueFd socket = open_socket(SOCK_STREAM, "", port);
  if (::listen(socket.get(), 64) != 0) throw std::runtime_error("listen");
  return socket;
}

std::string accepted_peer(const UniqueFd& listener) {
  if (!becomes(listener, POLLIN, kPatienceMs)) return "nobody";
  sockaddr_in6 peer{};
  socklen_t length = sizeof peer;
  const UniqueFd connection(
      ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  const ByteSpan bytes(peer.sin6_addr.s6_addr, 16);
  const bool ipv4 = IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr);
  return IpAddress::from_bytes(ipv4 ? bytes.subspan(12) : bytes)->to_string();
}

UniqueFd receive_on(std::uint16_t port) {
  return open_socket(SOCK_DGRAM, "", port);
}

void send_to(const std::string& address, std::uint16_t port, const std::string& from) {
  const UniqueFd socket = open_socket(SOCK_DGRAM, from, 0);
  const sockaddr_in6 to = socket_address(address, port);
  const char byte = 'x';
  if (::sendto(socket.get(), &byte, 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 1)
    throw std::runtime_error("sendto " + address);
}

bool has_arrived(const UniqueFd& receiver) {
  if (!becomes(receiver, POLLIN, kSilenceMs)) return false;
  std::array<char, 16> buffer{};
  return ::recv(receiver.get(), buffer.data(), buffer.size(), 0) > 0;
}

}  // namespace ftfw::firewall::test
