#include "appliance/base/netlink_socket.hpp"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace ftfw {

namespace {

std::unexpected<Error> refused_option(const std::string& option) {
  const int error = errno;
  if (error == EPERM) {
    return fail(
        Blame::system,
        option +
            " on a netlink socket is not permitted: CAP_NET_ADMIN is missing (start as root, or by the unit)",
        error);
  }
  return fail_errno(option + " on a netlink socket", error);
}

}  // namespace

Result<NetlinkSocket> NetlinkSocket::open(const Options& options) {
  NetlinkSocket opened(
      ::mnl_socket_open2(options.bus, SOCK_CLOEXEC | (options.blocking ? 0 : SOCK_NONBLOCK)));
  if (opened.socket_ == nullptr) return fail_errno("open a netlink socket", errno);
  const int fd = opened.fd();
  if (options.receive_buffer_bytes > 0 &&
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &options.receive_buffer_bytes,
                   sizeof options.receive_buffer_bytes) != 0) {
    return refused_option("SO_RCVBUFFORCE");
  }
  if (options.send_buffer_bytes > 0 &&
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &options.send_buffer_bytes,
                   sizeof options.send_buffer_bytes) != 0) {
    return refused_option("SO_SNDBUFFORCE");
  }
  int on = 1;
  // Both only enrich error answers; a kernel without them still works.
  ::mnl_socket_setsockopt(opened.socket_, NETLINK_EXT_ACK, &on, sizeof on);
  ::mnl_socket_setsockopt(opened.socket_, NETLINK_CAP_ACK, &on, sizeof on);
  if (::mnl_socket_bind(opened.socket_, options.groups, MNL_SOCKET_AUTOPID) != 0) {
    return fail_errno("bind a netlink socket", errno);
  }
  return opened;
}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : socket_(std::exchange(other.socket_, nullptr)), foreign_(other.foreign_) {}

NetlinkSocket& NetlinkSocket::operator=(NetlinkSocket&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(foreign_, other.foreign_);
  return *this;
}

NetlinkSocket::~NetlinkSocket() {
  if (socket_ != nullptr) ::mnl_socket_close(socket_);
}

int NetlinkSocket::fd() const {
  return ::mnl_socket_get_fd(socket_);
}

std::uint32_t NetlinkSocket::port_id() const {
  return ::mnl_socket_get_portid(socket_);
}

Status NetlinkSocket::join(int group) {
  if (::mnl_socket_setsockopt(socket_, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return fail_errno("join netlink group " + std::to_string(group), errno);
  }
  return {};
}

Status NetlinkSocket::send(ByteSpan messages) {
  if (::mnl_socket_sendto(socket_, messages.data(), messages.size()) < 0) {
    return fail_errno("netlink send", errno, Blame::kernel);
  }
  return {};
}

Result<std::size_t> NetlinkSocket::receive(std::span<std::uint8_t> buffer) {
  for (;;) {
    sockaddr_nl from{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = ::recvmsg(fd(), &message, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return 0U;
      return fail_errno("netlink receive", errno, Blame::kernel);
    }
    if (from.nl_pid != 0) {
      ++foreign_;
      continue;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      return fail_errno("netlink receive: datagram larger than the buffer", EMSGSIZE, Blame::kernel);
    }
    return static_cast<std::size_t>(got);
  }
}

bool for_each_message(ByteSpan bytes, const std::function<bool(const nlmsghdr&)>& handler) {
  int left = static_cast<int>(bytes.size());
  // Netlink aligns every message to 4 bytes and the buffer is byte-aligned by its owner to at least 8.
  const auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data());
  // libmnl 1.0.4 compares the length as a signed number: one above 2 GiB would pass.
  while (::mnl_nlmsg_ok(header, left) && header->nlmsg_len <= static_cast<std::uint32_t>(left)) {
    if (!handler(*header)) return false;
    header = ::mnl_nlmsg_next(header, &left);
  }
  return true;
}

}  // namespace ftfw
