#include "firewall/linux/routes.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstring>
#include <memory>

#include "appliance/base/netlink_socket.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::size_t kRequestBytes = 128;  // two headers and an address
constexpr std::size_t kReadBytes = 32 << 10;

// MNL_ALIGN; libmnl's own takes an int and gives an unsigned number.
constexpr int aligned(std::uint16_t length) {
  return (length + 3) / 4 * 4;
}

class Routes {
 public:
  explicit Routes(NetlinkSocket socket) : socket_(std::move(socket)) {}

  Route route(const IpAddress& address) {
    if (address.is_multicast()) return {Destination::group, {}};
    alignas(nlmsghdr) std::array<char, kRequestBytes> request{};
    nlmsghdr* header = ::mnl_nlmsg_put_header(request.data());
    header->nlmsg_type = RTM_GETROUTE;
    header->nlmsg_flags = NLM_F_REQUEST;
    header->nlmsg_seq = ++sequence_;
    auto* message = static_cast<rtmsg*>(::mnl_nlmsg_put_extra_header(header, sizeof(rtmsg)));
    message->rtm_family = address.is_ipv4() ? AF_INET : AF_INET6;
    message->rtm_dst_len = address.is_ipv4() ? 32 : 128;
    ::mnl_attr_put(header, RTA_DST, address.bytes().size(), address.bytes().data());
    const ByteSpan bytes(reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len);
    if (!socket_.send(bytes)) return {};
    const auto got = socket_.receive(buffer_);
    Route found;
    if (!got) return found;
    for_each_message(ByteSpan(buffer_).first(*got), [&](const nlmsghdr& answer) {
      if (answer.nlmsg_seq != sequence_ || answer.nlmsg_type != RTM_NEWROUTE) return true;
      found = read(answer);
      return false;
    });
    return found;
  }

 private:
  static Route read(const nlmsghdr& answer) {
    const auto* message = static_cast<const rtmsg*>(::mnl_nlmsg_get_payload(&answer));
    Route found;
    const unsigned type = message->rtm_type;
    if (type == RTN_LOCAL || type == RTN_ANYCAST) found.destination = Destination::local;
    if (type == RTN_UNICAST) found.destination = Destination::elsewhere;
    if (type == RTN_BROADCAST || type == RTN_MULTICAST) found.destination = Destination::group;
    const auto* each = static_cast<const nlattr*>(::mnl_nlmsg_get_payload_offset(&answer, sizeof(rtmsg)));
    auto left = static_cast<int>(static_cast<const char*>(::mnl_nlmsg_get_payload_tail(&answer)) -
                                 reinterpret_cast<const char*>(each));
    for (; ::mnl_attr_ok(each, left); left -= aligned(each->nla_len), each = ::mnl_attr_next(each)) {
      std::array<char, IF_NAMESIZE> name{};
      if (::mnl_attr_get_type(each) != RTA_OIF) continue;
      if (::if_indextoname(::mnl_attr_get_u32(each), name.data()) != nullptr) found.out = name.data();
    }
    return found;
  }

  NetlinkSocket socket_;
  std::uint32_t sequence_ = 0;
  ByteVector buffer_ = ByteVector(kReadBytes);
};

// The first one of the interface; of IPv6 the first that is not of the link only.
std::optional<IpAddress> own_address(const std::string& interface, Family family) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(first, &::freeifaddrs);
  for (const ifaddrs* one = all.get(); one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || interface != one->ifa_name) continue;
    std::optional<IpAddress> address;
    if (family == Family::ipv4 && one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in ipv4;
      std::memcpy(&ipv4, one->ifa_addr, sizeof ipv4);
      std::array<std::uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &ipv4.sin_addr, bytes.size());
      address = IpAddress::ipv4(bytes);
    }
    if (family == Family::ipv6 && one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 ipv6;
      std::memcpy(&ipv6, one->ifa_addr, sizeof ipv6);
      std::array<std::uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
      address = IpAddress::ipv6(bytes);
      if (address->is_link_local()) continue;
    }
    if (address) return address;
  }
  return std::nullopt;
}

}  // namespace

Result<Surroundings> open_routes() {
  auto socket = NetlinkSocket::open({.bus = NETLINK_ROUTE});
  if (!socket) return std::unexpected(socket.error());
  const auto routes = std::make_shared<Routes>(std::move(*socket));
  return Surroundings{
      .route = [routes](const IpAddress& address) { return routes->route(address); },
      .own_address = own_address,
      .has_way_back =
          [routes](const IpAddress& source, const std::string& in, bool loose) {
            const Route back = routes->route(source);
            return back.destination == Destination::elsewhere && (loose || back.out == in);
          },
  };
}

}  // namespace ftfw::firewall
