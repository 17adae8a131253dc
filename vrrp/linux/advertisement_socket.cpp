#include "vrrp/linux/advertisement_socket.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ftfw::vrrp {
namespace {

constexpr int kProtocolVrrp = 112;
constexpr int kTos = 0xc0;         // internetwork control, as other routing protocols
constexpr int kQueuePriority = 7;  // TC_PRIO_CONTROL: before all other traffic in the queue of the interface

in_addr to_in_addr(const IpAddress& address) {
  in_addr out{};
  std::memcpy(&out.s_addr, address.bytes().data(), sizeof out.s_addr);
  return out;
}

template <typename T>
Status set_option(int fd, int level, int option, const T& value, const char* name) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return fail_errno(std::string(name) + " on the VRRP socket", errno);
}

Status set_sending_options(int fd) {
  if (auto set = set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, int{kTtl}, "IP_MULTICAST_TTL"); !set)
    return set;
  if (auto set = set_option(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"); !set) return set;
  // Only the groups that this socket joined, not those of every socket of the machine.
  if (auto set = set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"); !set) return set;
  if (auto set = set_option(fd, IPPROTO_IP, IP_TOS, kTos, "IP_TOS"); !set) return set;
  // After IP_TOS, which sets a priority of its own.
  return set_option(fd, SOL_SOCKET, SO_PRIORITY, kQueuePriority, "SO_PRIORITY");
}

// The IPv4 header is bounded by what was received and must describe exactly that.
std::optional<ReceivedPacket> parse_ipv4(ByteSpan bytes) {
  ByteReader reader(bytes);
  const std::uint8_t version_and_length = reader.u8();
  reader.u8();
  const std::size_t total = reader.u16();
  reader.u32();
  ReceivedPacket packet;
  packet.ttl = reader.u8();
  reader.take(3);
  const auto source = IpAddress::from_bytes(reader.take(4));
  const auto destination = IpAddress::from_bytes(reader.take(4));
  const std::size_t header = static_cast<std::size_t>(version_and_length & 0x0f) * 4;
  if (!reader.ok() || version_and_length >> 4 != 4 || header < 20 || header > bytes.size())
    return std::nullopt;
  if (total != bytes.size() || !source || !destination) return std::nullopt;
  packet.source = *source;
  packet.destination = *destination;
  packet.payload = bytes.subspan(header);
  return packet;
}

}  // namespace

Result<AdvertisementSocket> AdvertisementSocket::open(const std::string& interface) {
  UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kProtocolVrrp));
  if (!fd) return fail_errno("open the VRRP socket", errno);
  if (auto set = set_sending_options(fd.get()); !set) return std::unexpected(set.error());
  AdvertisementSocket opened(interface, std::move(fd));
  if (auto joined = opened.rejoin(); !joined) return std::unexpected(joined.error());
  return opened;
}

Status AdvertisementSocket::rejoin() {
  const auto index = static_cast<int>(::if_nametoindex(interface_.c_str()));
  if (index == 0) return fail_errno("interface " + interface_, errno);
  if (::setsockopt(fd(), SOL_SOCKET, SO_BINDTODEVICE, interface_.c_str(),
                   static_cast<socklen_t>(interface_.size())) != 0) {
    return fail_errno("SO_BINDTODEVICE to " + interface_, errno);
  }
  ip_mreqn membership{};
  membership.imr_multiaddr = to_in_addr(multicast_group_ipv4());
  membership.imr_ifindex = index;
  if (index != index_ && index_ != 0) {
    // The membership of the deleted interface still counts against this socket; it may be gone already.
    ip_mreqn former = membership;
    former.imr_ifindex = index_;
    ::setsockopt(fd(), IPPROTO_IP, IP_DROP_MEMBERSHIP, &former, sizeof former);
  }
  if (::setsockopt(fd(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) != 0 &&
      errno != EADDRINUSE) {  // joined already
    return fail_errno("join 224.0.0.18 on " + interface_, errno);
  }
  if (auto set = set_option(fd(), IPPROTO_IP, IP_MULTICAST_IF, membership, "IP_MULTICAST_IF"); !set)
    return set;
  index_ = index;
  return {};
}

Status AdvertisementSocket::send(ByteSpan packet, const IpAddress& source) {
  sockaddr_in group{};
  group.sin_family = AF_INET;
  group.sin_addr = to_in_addr(multicast_group_ipv4());
  iovec part{const_cast<std::uint8_t*>(packet.data()), packet.size()};

  // The source is named, so that a virtual address on the interface is never chosen.
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
  msghdr message{};
  message.msg_name = &group;
  message.msg_namelen = sizeof group;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_ifindex = index_;
  info.ipi_spec_dst = to_in_addr(source);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);

  if (::sendmsg(fd(), &message, MSG_DONTROUTE | MSG_DONTWAIT) < 0) {
    return fail_errno("send an advertisement on " + interface_, errno, Blame::kernel);
  }
  return {};
}

Result<std::optional<ReceivedPacket>> AdvertisementSocket::receive() {
  for (;;) {
    // MSG_TRUNC: the real length, so that a packet larger than the buffer is seen as such.
    const ssize_t got = ::recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return std::nullopt;
      return fail_errno("receive an advertisement on " + interface_, errno, Blame::kernel);
    }
    const auto size = static_cast<std::size_t>(got);
    if (size <= buffer_.size()) {
      if (auto packet = parse_ipv4(ByteSpan(buffer_).first(size))) return packet;
    }
    ++malformed_;
  }
}

}  // namespace ftfw::vrrp
