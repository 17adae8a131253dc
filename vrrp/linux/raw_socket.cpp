#include "vrrp/linux/raw_socket.hpp"

#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "vrrp/advertisement.hpp"
#include "vrrp/linux/ip_packet.hpp"

namespace ftfw::vrrp {
namespace {

// A flood must not push the Active router's advertisements out of the queue before it is read: about 1,300
// packets (the kernel doubles the number and counts 768 bytes or more for each).
constexpr int kReceiveBufferBytes = 512 * 1024;

// What is left then is read in the next round: a flood of it must not keep the thread here.
constexpr int kMaxSkipped = 32;

in_addr to_in_addr(const IpAddress& address) {
  in_addr out{};
  std::memcpy(&out.s_addr, address.bytes().data(), sizeof out.s_addr);
  return out;
}

in6_addr to_in6_addr(const IpAddress& address) {
  in6_addr out{};
  std::memcpy(&out, address.bytes().data(), sizeof out);
  return out;
}

template <typename T>
Status set_option(int fd, int level, int option, const T& value, const char* name) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return fail_errno(std::string(name) + " on the VRRP socket", errno);
}

struct Option {
  int level;
  int option;
  int value;
  const char* name;
};

// IP_MULTICAST_ALL: only the groups that this socket joined, not those of every socket of the machine. (A raw
// IPv6 socket hears them all, whatever its options: raw_v6_match in net/ipv6/raw.c.) SO_PRIORITY comes after
// IP_TOS, which sets a priority of its own.
constexpr std::array kIpv4Options{
    Option{IPPROTO_IP, IP_TTL, kTtl, "IP_TTL"},
    Option{IPPROTO_IP, IP_MULTICAST_TTL, kTtl, "IP_MULTICAST_TTL"},
    Option{IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"},
    Option{IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"},
    Option{IPPROTO_IP, IP_TOS, kTrafficClass, "IP_TOS"},
    Option{SOL_SOCKET, SO_PRIORITY, kQueuePriority, "SO_PRIORITY"},
    Option{SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBufferBytes, "SO_RCVBUFFORCE"},
};
constexpr std::array kIpv6Options{
    Option{IPPROTO_IPV6, IPV6_UNICAST_HOPS, kTtl, "IPV6_UNICAST_HOPS"},
    Option{IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kTtl, "IPV6_MULTICAST_HOPS"},
    Option{IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP"},
    Option{IPPROTO_IPV6, IPV6_TCLASS, kTrafficClass, "IPV6_TCLASS"},
    Option{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"},
    Option{IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"},
    Option{SOL_SOCKET, SO_PRIORITY, kQueuePriority, "SO_PRIORITY"},
    Option{SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBufferBytes, "SO_RCVBUFFORCE"},
};

Status set_options(int fd, Family family) {
  const std::span<const Option> options =
      family == Family::ipv4 ? std::span<const Option>(kIpv4Options) : std::span<const Option>(kIpv6Options);
  for (const Option& each : options) {
    if (auto set = set_option(fd, each.level, each.option, each.value, each.name); !set) return set;
  }
  return {};
}

// Classic BPF over the Ethernet header, whose source is at offset 6.
Status accept_only_from(int fd, const MacAddress& mac) {
  ByteReader reader(mac.bytes);
  const std::uint32_t first = reader.u32();
  const std::uint32_t last = reader.u16();
  const auto link_layer = static_cast<std::uint32_t>(SKF_LL_OFF);
  std::array<sock_filter, 6> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, link_layer + 6),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, link_layer + 10),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, last, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, "SO_ATTACH_FILTER");
}

template <typename T>
void put_control(msghdr& message, int level, int type, const T& value) {
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
}

template <typename T>
std::optional<T> control_value(const cmsghdr& header) {
  if (header.cmsg_len < CMSG_LEN(sizeof(T))) return std::nullopt;
  T value{};
  std::memcpy(&value, CMSG_DATA(&header), sizeof value);
  return value;
}

IpAddress from_in6(const in6_addr& address) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &address, bytes.size());
  return IpAddress::ipv6(bytes);
}

// A raw IPv6 socket returns the payload; hop limit and destination are beside it.
std::optional<ReceivedPacket> parse_ipv6(ByteSpan payload, const sockaddr_in6& from, msghdr& message) {
  std::optional<int> hop_limit;
  std::optional<in6_pktinfo> info;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != IPPROTO_IPV6) continue;
    if (each->cmsg_type == IPV6_HOPLIMIT) hop_limit = control_value<int>(*each);
    if (each->cmsg_type == IPV6_PKTINFO) info = control_value<in6_pktinfo>(*each);
  }
  if (!hop_limit || !info) return std::nullopt;
  ReceivedPacket packet;
  packet.source = from_in6(from.sin6_addr);
  packet.destination = from_in6(info->ipi6_addr);
  packet.ttl = static_cast<std::uint8_t>(*hop_limit);
  packet.payload = payload;
  return packet;
}

}  // namespace

Result<RawSocket> RawSocket::open(RawSocketOptions options) {
  const int domain = options.family == Family::ipv4 ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kProtocolVrrp));
  if (!fd) return fail_errno("open the VRRP socket", errno);
  if (auto set = set_options(fd.get(), options.family); !set) return std::unexpected(set.error());
  if (options.only_from_mac) {
    if (auto set = accept_only_from(fd.get(), *options.only_from_mac); !set)
      return std::unexpected(set.error());
  }
  RawSocket opened(std::move(options), std::move(fd));
  if (auto joined = opened.rejoin(); !joined) return std::unexpected(joined.error());
  return opened;
}

Status RawSocket::rejoin() {
  const std::string& interface = options_.interface;
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno("interface " + interface, errno);
  if (::setsockopt(fd(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) != 0) {
    return fail_errno("SO_BINDTODEVICE to " + interface, errno);
  }
  if (options_.joins_group) {
    if (auto joined = join(index); !joined) return joined;
  }
  index_ = index;
  return {};
}

Status RawSocket::join(int index) {
  const bool ipv4 = options_.family == Family::ipv4;
  const IpAddress group = multicast_group(options_.family);
  const int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
  const auto change = [&](int membership_option, int interface_index) {
    if (ipv4) {
      const ip_mreqn membership{to_in_addr(group), {}, interface_index};
      return ::setsockopt(fd(), level, membership_option, &membership, sizeof membership);
    }
    const ipv6_mreq membership{to_in6_addr(group), static_cast<unsigned>(interface_index)};
    return ::setsockopt(fd(), level, membership_option, &membership, sizeof membership);
  };
  // The membership of a deleted interface still counts against this socket; it may be gone already.
  if (index != index_ && index_ != 0) change(ipv4 ? IP_DROP_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, index_);
  if (change(ipv4 ? IP_ADD_MEMBERSHIP : IPV6_ADD_MEMBERSHIP, index) != 0 && errno != EADDRINUSE) {
    return fail_errno("join " + group.to_string() + " on " + options_.interface, errno);
  }
  if (!ipv4) return set_option(fd(), IPPROTO_IPV6, IPV6_MULTICAST_IF, index, "IPV6_MULTICAST_IF");
  const ip_mreqn way{{}, {}, index};
  return set_option(fd(), IPPROTO_IP, IP_MULTICAST_IF, way, "IP_MULTICAST_IF");
}

Status RawSocket::send(ByteSpan packet, const IpAddress& source, const IpAddress& destination) {
  sockaddr_in to4{};
  to4.sin_family = AF_INET;
  sockaddr_in6 to6{};
  to6.sin6_family = AF_INET6;
  iovec part{const_cast<std::uint8_t*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();

  // The source is named, so that a virtual address on the interface is never chosen.
  if (destination.is_ipv4()) {
    to4.sin_addr = to_in_addr(destination);
    message.msg_name = &to4;
    message.msg_namelen = sizeof to4;
    message.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_ifindex = index_;
    info.ipi_spec_dst = to_in_addr(source);
    put_control(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    to6.sin6_addr = to_in6_addr(destination);
    if (destination.is_multicast() || destination.is_link_local())
      to6.sin6_scope_id = static_cast<std::uint32_t>(index_);
    message.msg_name = &to6;
    message.msg_namelen = sizeof to6;
    in6_pktinfo info{};
    info.ipi6_ifindex = static_cast<unsigned>(index_);
    info.ipi6_addr = to_in6_addr(source);
    put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  const int flags = MSG_DONTWAIT | (destination.is_multicast() ? MSG_DONTROUTE : 0);
  if (::sendmsg(fd(), &message, flags) < 0) {
    return fail_errno("send an advertisement on " + options_.interface, errno, Blame::kernel);
  }
  return {};
}

Result<std::optional<ReceivedPacket>> RawSocket::receive() {
  for (int skipped = 0; skipped < kMaxSkipped;) {
    sockaddr_in6 from{};
    iovec part{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))>
        control{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd(), &message, MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return std::nullopt;
      return fail_errno("receive an advertisement on " + options_.interface, errno, Blame::kernel);
    }
    const ByteSpan bytes = ByteSpan(buffer_).first(static_cast<std::size_t>(got));
    if ((message.msg_flags & MSG_TRUNC) == 0) {
      auto packet = options_.family == Family::ipv4 ? parse_ipv4(bytes) : parse_ipv6(bytes, from, message);
      const bool wanted = packet && (options_.joins_group || !packet->destination.is_multicast());
      if (wanted) return packet;
      if (!packet) ++malformed_;
    } else {
      ++malformed_;
    }
    ++skipped;
  }
  return std::nullopt;
}

}  // namespace ftfw::vrrp
