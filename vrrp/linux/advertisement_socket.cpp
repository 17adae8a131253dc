#include "vrrp/linux/advertisement_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>

#include "vrrp/linux/ip_packet.hpp"

namespace ftfw::vrrp {
namespace {

Result<UniqueFd> open_frame_socket() {
  // Protocol 0: no frame is ever queued for this socket.
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("open the socket for VRRP frames", errno);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_PRIORITY, &kQueuePriority, sizeof kQueuePriority) != 0) {
    return fail_errno("SO_PRIORITY on the socket for VRRP frames", errno);
  }
  return socket;
}

}  // namespace

Result<AdvertisementSocket> AdvertisementSocket::open(const RouterSettings& router) {
  AdvertisementSocket opened(router.interface);
  if (auto done = opened.open_receivers(router); !done) return std::unexpected(done.error());
  if (router.virtual_mac) {
    auto frames = open_frame_socket();
    if (!frames) return std::unexpected(frames.error());
    opened.frames_ = std::move(*frames);
    opened.virtual_mac_ = router.virtual_mac->address;
  }
  return opened;
}

Status AdvertisementSocket::open_receivers(const RouterSettings& router) {
  std::vector<RawSocketOptions> wanted;
  wanted.push_back({.interface = router.interface,
                    .family = router.family(),
                    .joins_group = router.unicast.empty(),
                    .only_from_mac = {}});
  if (router.virtual_mac) {
    // The macvlan also gets a copy of what the parent gets: of that, only the parent's counts.
    wanted.push_back({.interface = router.virtual_mac->interface,
                      .family = router.family(),
                      .joins_group = true,
                      .only_from_mac = router.virtual_mac->address});
  }
  for (RawSocketOptions& options : wanted) {
    auto socket = RawSocket::open(std::move(options));
    if (!socket) return std::unexpected(socket.error());
    fds_.at(receivers_.size()) = socket->fd();
    receivers_.push_back(std::move(*socket));
  }
  return {};
}

Status AdvertisementSocket::rejoin() {
  if (auto joined = receivers_.front().rejoin(); !joined) return joined;
  if (receivers_.size() == 1) return {};
  auto joined = receivers_.back().rejoin();
  if (!joined && joined.error().code != ENODEV) return joined;
  return {};
}

Status AdvertisementSocket::send(ByteSpan packet, const IpAddress& source, const IpAddress& destination) {
  if (!virtual_mac_) return receivers_.front().send(packet, source, destination);
  if (!destination.is_multicast()) {
    return fail(Blame::configuration,
                "send an advertisement on " + interface_ + ": a virtual MAC and unicast exclude each other",
                EAFNOSUPPORT);
  }
  return send_frame(multicast_frame(*virtual_mac_, source, destination, identification_++, packet));
}

Status AdvertisementSocket::send_frame(ByteSpan frame) {
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = receivers_.front().index();
  to.sll_protocol = htons(receivers_.front().family() == Family::ipv4 ? ETH_P_IP : ETH_P_IPV6);
  if (::sendto(frames_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
    return fail_errno("send an advertisement on " + interface_, errno, Blame::kernel);
  }
  return {};
}

Result<std::optional<ReceivedPacket>> AdvertisementSocket::receive() {
  for (std::size_t tried = 0; tried < receivers_.size(); ++tried) {
    RawSocket& receiver = receivers_[next_receiver_];
    next_receiver_ = (next_receiver_ + 1) % receivers_.size();
    auto packet = receiver.receive();
    if (!packet || *packet) return packet;
  }
  return std::nullopt;
}

std::uint64_t AdvertisementSocket::malformed() const {
  std::uint64_t sum = 0;
  for (const RawSocket& receiver : receivers_) sum += receiver.malformed();
  return sum;
}

}  // namespace ftfw::vrrp
