#include "sync/linux/udp_socket.hpp"

#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace ftfw::sync {

namespace {

// Half a second of a full send at the injector's rate, twelve entries to the datagram.
constexpr int kBufferBytes = 16 << 20;
constexpr std::size_t kLargestDatagram = 65'536;

socklen_t fill(sockaddr_storage& out, const IpAddress& address, std::uint16_t port,
               const std::string& interface) {
  if (address.is_ipv4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes().data(), sizeof in.sin_addr);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, address.bytes().data(), sizeof in6.sin6_addr);
  if (address.is_link_local()) in6.sin6_scope_id = ::if_nametoindex(interface.c_str());
  std::memcpy(&out, &in6, sizeof in6);
  return sizeof in6;
}

// Forced where permitted, else as large as the system allows.
void grow_buffers(int fd) {
  const int size = kBufferBytes;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  }
}

std::unexpected<Error> bind_error(const UdpSettings& settings, int code) {
  const std::string where =
      "UDP port " + std::to_string(settings.port) + " of " + settings.own_address.to_string();
  if (code == EADDRINUSE) return fail(Blame::system, where + " is in use by another program", code);
  if (code == EADDRNOTAVAIL) {
    return fail(Blame::system, settings.own_address.to_string() + " is not an address of this machine", code);
  }
  return fail_errno("bind " + where, code);
}

}  // namespace

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(const UdpSettings& settings) {
  if (::if_nametoindex(settings.interface.c_str()) == 0) {
    return fail(Blame::system, "there is no interface '" + settings.interface + "'", ENODEV);
  }
  const int family = settings.own_address.is_ipv4() ? AF_INET : AF_INET6;
  UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("open a UDP socket", errno);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, settings.interface.c_str(),
                   static_cast<socklen_t>(settings.interface.size() + 1)) != 0) {
    return fail_errno("bind the replication socket to interface '" + settings.interface + "'", errno);
  }
  const int on = 1;
  if (settings.shared_port && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return fail_errno("share the replication port", errno);
  }
  grow_buffers(socket.get());
  sockaddr_storage own{};
  const socklen_t length = fill(own, settings.own_address, settings.port, settings.interface);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), length) != 0)
    return bind_error(settings, errno);
  sockaddr_storage peer{};
  const socklen_t peer_length = fill(peer, settings.peer_address, settings.port, settings.interface);
  if (settings.shared_port &&
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&peer), peer_length) != 0) {
    return fail_errno("connect to " + settings.peer_address.to_string(), errno);
  }
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(socket), settings));
}

UdpSocket::UdpSocket(UniqueFd socket, const UdpSettings& settings)
    : socket_(std::move(socket)),
      peer_address_(settings.peer_address),
      peer_port_(settings.port),
      peer_length_(fill(peer_, settings.peer_address, settings.port, settings.interface)),
      buffer_(kLargestDatagram) {}

Status UdpSocket::send(ByteSpan datagram) {
  const ssize_t sent = ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&peer_), peer_length_);
  if (sent < 0) return fail_errno("send to the peer", errno);
  return {};
}

std::optional<ByteSpan> UdpSocket::receive() {
  for (;;) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(socket_.get(), buffer_.data(), buffer_.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    // Refused: a connected socket hears that nobody listened there when we sent.
    if (got < 0 && (errno == EINTR || errno == ECONNREFUSED)) continue;
    // Besides EAGAIN only errors of the link (ENETDOWN): both mean that nothing is there.
    if (got < 0) return std::nullopt;
    if (is_peer(from)) return ByteSpan(buffer_).first(static_cast<std::size_t>(got));
    ++foreign_;
  }
}

bool UdpSocket::is_peer(const sockaddr_storage& from) const {
  if (from.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &from, sizeof in);
    return ntohs(in.sin_port) == peer_port_ && peer_address_.is_ipv4() &&
           std::memcmp(&in.sin_addr, peer_address_.bytes().data(), sizeof in.sin_addr) == 0;
  }
  if (from.ss_family != AF_INET6) return false;
  sockaddr_in6 in6;
  std::memcpy(&in6, &from, sizeof in6);
  return ntohs(in6.sin6_port) == peer_port_ && !peer_address_.is_ipv4() &&
         std::memcmp(&in6.sin6_addr, peer_address_.bytes().data(), sizeof in6.sin6_addr) == 0;
}

}  // namespace ftfw::sync
