#include "appliance/control/socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ftfw {
namespace {

constexpr int kBacklog = 8;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Blame::system, path + ": longer than a socket path can be (107 bytes)");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace

bool may_ask(int client) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  return credentials.uid == 0 || credentials.uid == ::geteuid();
}

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

UniqueFd ControlSocket::accept() const {
  return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

Result<UniqueFd> connect_to_control_socket(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("control socket", errno);
  if (connect_to(fd.get(), *address) != 0) return fail_errno(path + ": is ftfw-appliance running?", errno);
  return fd;
}

}  // namespace ftfw
