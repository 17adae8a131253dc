#include "sync/linux/link_port.hpp"

#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ftfw::sync {

namespace {

ifreq request_for(const std::string& interface) {
  ifreq request{};
  const std::size_t length = std::min(interface.size(), sizeof request.ifr_name - 1);
  std::memcpy(request.ifr_name, interface.data(), length);
  return request;
}

}  // namespace

LinkPort::LinkPort(UdpSettings settings, UniqueFd epoll, UniqueFd query)
    : settings_(std::move(settings)), epoll_(std::move(epoll)), query_(std::move(query)) {}

Result<std::unique_ptr<LinkPort>> LinkPort::open(UdpSettings settings) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll", errno);
  UniqueFd query(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!query) return fail_errno("open a UDP socket", errno);
  std::unique_ptr<LinkPort> port(new LinkPort(std::move(settings), std::move(epoll), std::move(query)));
  if (const Status opened = port->reopen(); !opened && opened.error().code != EADDRNOTAVAIL) {
    return std::unexpected(opened.error());
  }
  port->maintain();
  return port;
}

void LinkPort::maintain() {
  const int index = interface_index();
  // A new interface of the same name is another one: what was bound to the old one hears nothing any more.
  if (socket_ && index != bound_index_) drop_socket();
  if (index == 0) {
    state_ = State::no_interface;
    trouble_ = "there is no interface '" + settings_.interface + "'";
    return;
  }
  if (!socket_) {
    if (const Status opened = reopen(); !opened) {
      state_ = opened.error().code == EADDRNOTAVAIL ? State::no_address : State::refused;
      trouble_ = opened.error().text;
      return;
    }
  }
  trouble_.clear();
  state_ = has_carrier() ? State::open : State::no_carrier;
}

Status LinkPort::reopen() {
  const int index = interface_index();
  auto socket = UdpSocket::open(settings_);
  if (!socket) return std::unexpected(socket.error());
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, (*socket)->fd(), &event) != 0)
    return fail_errno("epoll", errno);
  socket_ = std::move(*socket);
  // If the interface changed in between, the next look finds another index and opens once more.
  bound_index_ = index;
  return {};
}

void LinkPort::drop_socket() {
  foreign_before_ += socket_->foreign();
  socket_.reset();  // which takes it out of the epoll set
}

int LinkPort::interface_index() const {
  ifreq request = request_for(settings_.interface);
  return ::ioctl(query_.get(), SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : 0;
}

bool LinkPort::has_carrier() const {
  ifreq request = request_for(settings_.interface);
  if (::ioctl(query_.get(), SIOCGIFFLAGS, &request) != 0) return false;
  return (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

Status LinkPort::send(ByteSpan datagram) {
  if (!socket_) return fail(Blame::system, trouble_, ENETDOWN);
  return socket_->send(datagram);
}

std::optional<ByteSpan> LinkPort::receive() {
  return socket_ ? socket_->receive() : std::nullopt;
}

std::uint64_t LinkPort::foreign() const {
  return foreign_before_ + (socket_ ? socket_->foreign() : 0);
}

}  // namespace ftfw::sync
