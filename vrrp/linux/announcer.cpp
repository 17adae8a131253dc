#include "vrrp/linux/announcer.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ftfw::vrrp {
namespace {

constexpr std::size_t kEtherTypeOffset = 12;  // in network order, as the socket address wants it

}  // namespace

Result<Announcer> Announcer::open() {
  // Protocol 0: no frame is ever queued for this socket.
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("open the announcement socket", errno);
  return Announcer(std::move(socket));
}

Result<MacAddress> Announcer::mac_of(const std::string& interface) const {
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (::ioctl(socket_.get(), SIOCGIFHWADDR, &request) != 0) {
    return fail_errno("hardware address of " + interface, errno);
  }
  MacAddress mac;
  std::memcpy(mac.bytes.data(), request.ifr_hwaddr.sa_data, mac.bytes.size());
  return mac;
}

Status Announcer::send(const std::string& interface, ByteSpan frame) {
  if (frame.size() < ETH_HLEN) return fail_errno("announce on " + interface, EINVAL);
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno("announce on " + interface, errno);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = index;
  std::memcpy(&to.sll_protocol, frame.data() + kEtherTypeOffset, sizeof to.sll_protocol);
  if (::sendto(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
    return fail_errno("announce on " + interface, errno, Blame::kernel);
  }
  return {};
}

}  // namespace ftfw::vrrp
