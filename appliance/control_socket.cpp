#include "appliance/control_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "appliance/base/clock.hpp"

namespace ftfw {
namespace {

constexpr std::size_t kMaxRequestBytes = 256;
constexpr int kBacklog = 8;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Blame::configuration, path + ": longer than a socket path can be (107 bytes)");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void limit_time(int fd) {
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool may_ask(int client) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  return credentials.uid == 0 || credentials.uid == ::geteuid();
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// One line without its end, or nothing if the client sent too much or took too long.
std::string read_request(int client) {
  std::string request;
  while (request.find('\n') == std::string::npos) {
    std::array<char, kMaxRequestBytes> part{};
    const ssize_t got = ::recv(client, part.data(), part.size(), 0);
    if (got <= 0 || request.size() + static_cast<std::size_t>(got) > kMaxRequestBytes) return {};
    request.append(part.data(), static_cast<std::size_t>(got));
  }
  return request.substr(0, request.find('\n'));
}

std::string answer_to(const std::string& request, const SharedStatus& status) {
  if (request == "status") return render_text(status.copy(), monotonic_now());
  if (request == "status --json") return render_json(status.copy(), monotonic_now());
  return "error: unknown request; known: status, status --json\n";
}

}  // namespace

Result<ControlSocket> ControlSocket::open(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect_to(probe.get(), *address) == 0) {
    return fail(Blame::system,
                path + ": another ftfw-appliance answers there; give this one its own --control-socket",
                EADDRINUSE);
  }
  if (errno == ECONNREFUSED) ::unlink(path.c_str());

  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_errno("control socket", errno);
  // The mode of the file is decided before anybody can connect.
  const mode_t former = ::umask(0177);
  const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int bind_error = errno;
  ::umask(former);
  if (bound != 0) return fail_errno("control socket " + path, bind_error);
  if (::listen(listener.get(), kBacklog) != 0) return fail_errno("control socket " + path, errno);
  return ControlSocket(std::move(listener), path);
}

ControlSocket::~ControlSocket() {
  if (listener_) ::unlink(path_.c_str());
}

void ControlSocket::serve(const SharedStatus& status, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { ::shutdown(listener_.get(), SHUT_RDWR); });
  while (!stop.stop_requested()) {
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, -1) <= 0) continue;
    const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    limit_time(client.get());
    if (!may_ask(client.get())) {
      send_all(client.get(), "error: only root may ask\n");
      continue;
    }
    const std::string request = read_request(client.get());
    if (!request.empty()) send_all(client.get(), answer_to(request, status));
  }
}

Result<std::string> ask_control_socket(const std::string& path, const std::string& request) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("control socket", errno);
  if (connect_to(fd.get(), *address) != 0) return fail_errno(path + ": is ftfw-appliance running?", errno);
  limit_time(fd.get());
  if (!send_all(fd.get(), request + "\n")) return fail_errno(path, errno);
  std::string answer;
  std::array<char, 4096> part{};
  for (;;) {
    const ssize_t got = ::recv(fd.get(), part.data(), part.size(), 0);
    if (got == 0) return answer;
    if (got < 0) return fail_errno(path, errno);
    answer.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace ftfw
