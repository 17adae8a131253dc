#include "tests/unit/firewall/wire_network.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "tests/unit/firewall/network_namespace.hpp"

namespace ftfw::firewall::test {
namespace {

constexpr std::uint16_t kMarkType = 0x88b5;  // IEEE 802: local experiments
constexpr std::size_t kEthernet = 14;
constexpr int kPatienceMs = 30'000;
constexpr int kBufferBytes = 16 << 20;
constexpr std::array<int, 6> kProtocolsHere{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE, 112, 200};

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

UniqueFd packet_socket() {
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  must(static_cast<bool>(socket), "packet socket");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  return socket;
}

std::array<std::uint8_t, 6> mac_of(const UniqueFd& socket, const char* interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  must(::ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0, "hardware address");
  std::array<std::uint8_t, 6> mac{};
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

std::string text_of(const std::array<std::uint8_t, 6>& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                     mac[5]);
}

// Of the packets of one processor none overtakes another.
void stay_on_one_processor() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(std::max(::sched_getcpu(), 0)), &set);
  must(::sched_setaffinity(0, sizeof set, &set) == 0, "one processor");
}

UniqueFd raw_socket(int family, int protocol) {
  UniqueFd socket(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  must(static_cast<bool>(socket), "raw socket");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  const int yes = 1;
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
  for (const char* interface : {"eth0", "eth1"}) {
    if (family != AF_INET || protocol != 112) break;
    ip_mreqn group{};
    ::inet_pton(AF_INET, "224.0.0.18", &group.imr_multiaddr);
    group.imr_ifindex = static_cast<int>(::if_nametoindex(interface));
    must(::setsockopt(socket.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0, "join");
  }
  return socket;
}

}  // namespace

WireNetwork::WireNetwork() {
  stay_on_one_processor();
  client_.neighbour = std::make_unique<Neighbour>("eth1");
  client_.place = Place::eth1;
  server_.neighbour = std::make_unique<Neighbour>("eth0");
  server_.place = Place::eth0;
  const UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  client_.firewall = mac_of(any, "eth1");
  server_.firewall = mac_of(any, "eth0");
  for (Wire* wire : {&client_, &server_}) {
    wire->neighbour->inside([&] {
      wire->socket = packet_socket();
      wire->index = static_cast<int>(::if_nametoindex("eth0"));
      wire->own = mac_of(wire->socket, "eth0");
    });
  }
  configure();
  for (const int protocol : kProtocolsHere) {
    here_[2 * protocol] = raw_socket(AF_INET, protocol);
    here_[2 * protocol + 1] = raw_socket(AF_INET6, protocol == IPPROTO_ICMP ? int{IPPROTO_ICMPV6} : protocol);
  }
}

void WireNetwork::configure() {
  for (const char* name :
       {"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
        "net.ipv4.conf.eth0.rp_filter=0", "net.ipv4.conf.eth1.rp_filter=0",
        "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0",
        "net.ipv4.conf.eth1.send_redirects=0", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"})
    run(fmt::format("sysctl -qw {}", name));
  run("ip address add 192.168.2.100/32 dev eth1; ip address add 192.168.0.100/32 dev eth0; "
      "ip -6 address add fd00:2::100/128 dev eth1 nodad; ip -6 address add fd00:1::100/128 dev eth0 nodad");
  const auto lead = [](const char* interface, const std::string& mac, const char* via, const char* via6,
                       std::initializer_list<const char*> networks) {
    run(fmt::format(
        "ip neighbour replace {} lladdr {} dev {} nud permanent; ip -6 neighbour replace {} lladdr {} "
        "dev {} nud permanent",
        via, mac, interface, via6, mac, interface));
    for (const char* network : networks) {
      const bool six = std::strchr(network, ':') != nullptr;
      run(fmt::format("ip {} route add {} via {} dev {} onlink", six ? "-6" : "", network, six ? via6 : via,
                      interface));
    }
  };
  lead("eth1", text_of(client_.own), "10.255.1.2", "fe80::1:2",
       {"192.168.2.0/24", "10.0.0.0/16", "fd00:2::/64"});
  lead("eth0", text_of(server_.own), "10.255.0.2", "fe80::2",
       {"192.168.0.0/24", "203.0.113.0/24", "fd00:1::/64", "2001:db8::/32"});
  // What a packet's traffic class stands for: 1 is untracked, 16 and more a mark. The marks of the end cross
  // before the network layer.
  run("nft -f - <<'END'\n"
      "table inet lab { chain pre { type filter hook prerouting priority -305;\n"
      "  ip dscp 1 notrack; ip6 dscp 1 notrack;\n"
      "  meta mark set ip dscp map { 17 : 1, 18 : 2, 19 : 3 }; meta mark set ip6 dscp map { 17 : 1, 18 : 2, "
      "19 : 3 };\n"
      "}\n}\n"
      "table netdev lab {\n"
      "  chain eth0 { type filter hook ingress device eth0 priority 0; ether type 0x88b5 fwd to eth1; }\n"
      "  chain eth1 { type filter hook ingress device eth1 priority 0; ether type 0x88b5 fwd to eth0; }\n"
      "}\nEND");
}

void WireNetwork::send(const std::string& interface, ByteSpan packet) {
  const Wire& wire = wire_of(interface);
  ByteVector frame;
  frame.insert(frame.end(), wire.firewall.begin(), wire.firewall.end());
  const bool multicast = packet[0] >> 4 == 4 && packet[16] == 224;
  if (multicast) frame = {0x01, 0x00, 0x5e, packet[17], packet[18], packet[19]};
  frame.insert(frame.end(), wire.own.begin(), wire.own.end());
  const std::uint16_t type = packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6;
  frame.push_back(static_cast<std::uint8_t>(type >> 8));
  frame.push_back(static_cast<std::uint8_t>(type));
  frame.insert(frame.end(), packet.begin(), packet.end());
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = wire.index;
  must(::sendto(wire.socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                sizeof to) == static_cast<ssize_t>(frame.size()),
       "send");
}

void WireNetwork::send_mark(const Wire& from) {
  ByteVector frame(60);
  std::ranges::fill(frame.begin(), frame.begin() + 6, std::uint8_t{0xff});
  std::ranges::copy(from.own, frame.begin() + 6);
  frame[12] = kMarkType >> 8;
  frame[13] = kMarkType & 0xff;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = from.index;
  must(::sendto(from.socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                sizeof to) > 0,
       "send a mark");
}

// Until the mark of the other wire.
void WireNetwork::read_wire(const Wire& wire, Sightings& seen) {
  std::array<std::uint8_t, 2048> buffer{};
  for (;;) {
    pollfd waiting{.fd = wire.socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1)
      throw std::runtime_error("the mark behind the packets is lost");
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(wire.socket.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < static_cast<ssize_t>(kEthernet) || from.sll_pkttype == PACKET_OUTGOING) continue;
    const ByteSpan frame(buffer.data(), static_cast<std::size_t>(got));
    const int type = frame[12] << 8 | frame[13];
    if (type == kMarkType) return;
    if (type != ETH_P_IP && type != ETH_P_IPV6) continue;
    if (const auto arrival = read_arrival(frame.subspan(kEthernet)))
      seen[arrival->number].push_back({wire.place, *arrival});
  }
}

void WireNetwork::read_here(Sightings& seen) {
  std::array<std::uint8_t, 2048> buffer{};
  for (const auto& [key, socket] : here_) {
    for (;;) {
      sockaddr_storage from{};
      iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
      alignas(cmsghdr) std::array<char, 128> control{};
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof from;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t got = ::recvmsg(socket.get(), &message, 0);
      if (got <= 0) break;
      const ByteSpan bytes(buffer.data(), static_cast<std::size_t>(got));
      std::optional<Arrival> arrival;
      if (key % 2 == 0) {
        arrival = read_arrival(bytes);
      } else {
        Packet packet;
        packet.protocol = static_cast<std::uint8_t>(key / 2 == IPPROTO_ICMP ? int{IPPROTO_ICMPV6} : key / 2);
        sockaddr_in6 source{};
        std::memcpy(&source, &from, sizeof source);
        packet.source = *IpAddress::from_bytes(ByteSpan(source.sin6_addr.s6_addr, 16));
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (header == nullptr) continue;
        in6_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(header), sizeof info);
        packet.destination = *IpAddress::from_bytes(ByteSpan(info.ipi6_addr.s6_addr, 16));
        arrival = read_arrival(bytes, packet);
      }
      if (arrival) seen[arrival->number].push_back({Place::here, *arrival});
    }
  }
}

Sightings WireNetwork::watch() {
  Sightings seen;
  send_mark(client_);
  read_wire(server_, seen);
  send_mark(server_);
  read_wire(client_, seen);
  read_here(seen);
  return seen;
}

}  // namespace ftfw::firewall::test
