#include "vrrp/linux/virtual_routes.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "vrrp/linux/route_requests.hpp"

namespace ftfw::vrrp {
namespace {

using Route = std::unique_ptr<rtnl_route, Freeing<rtnl_route_put>>;

constexpr std::uint32_t kDefaultMetricIpv6 = 1024;  // IP6_RT_PRIO_USER; IPv4: 0

// The kernel refuses host bits in a destination.
IpPrefix network_of(const IpPrefix& prefix) {
  ByteVector bytes(prefix.address.bytes().begin(), prefix.address.bytes().end());
  for (std::size_t bit = prefix.length; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80 >> bit % 8));
  }
  return {IpAddress::from_bytes(bytes).value_or(prefix.address), prefix.length};
}

std::uint32_t metric_of(const config::VirtualRoute& route) {
  return route.metric.value_or(route.to.address.is_ipv4() ? 0 : kDefaultMetricIpv6);
}

bool is_as_wanted(const config::VirtualRoute& standing, const config::VirtualRoute& wanted) {
  const bool interface = wanted.interface.empty() || standing.interface == wanted.interface;
  return interface && standing.via == wanted.via && standing.source == wanted.source &&
         standing.mtu == wanted.mtu;
}

// ---- reading ----------------------------------------------------------------------------------

std::optional<std::uint32_t> number_in(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(std::uint32_t)))
    return std::nullopt;
  return nla_get_u32(attribute);
}

std::optional<std::uint32_t> mtu_in(nlattr* metrics) {
  std::array<nlattr*, RTAX_MAX + 1> attributes{};
  if (metrics == nullptr || nla_parse_nested(attributes.data(), RTAX_MAX, metrics, nullptr) < 0)
    return std::nullopt;
  return number_in(attributes[RTAX_MTU]);
}

std::optional<config::VirtualRoute> parse_own(nlmsghdr* header) {
  std::array<nlattr*, RTA_MAX + 1> attributes{};
  if (header->nlmsg_type != RTM_NEWROUTE ||
      nlmsg_parse(header, sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* fixed = static_cast<const rtmsg*>(nlmsg_data(header));
  if (fixed->rtm_protocol != kRouteProtocol) return std::nullopt;
  config::VirtualRoute route;
  const IpAddress anywhere = fixed->rtm_family == AF_INET ? IpAddress() : IpAddress::ipv6({});
  route.to = {address_in(attributes[RTA_DST]).value_or(anywhere), fixed->rtm_dst_len};
  route.via = address_in(attributes[RTA_GATEWAY]);
  route.source = address_in(attributes[RTA_PREFSRC]);
  route.table = number_in(attributes[RTA_TABLE]).value_or(fixed->rtm_table);
  route.metric = number_in(attributes[RTA_PRIORITY]);
  route.mtu = mtu_in(attributes[RTA_METRICS]);
  std::array<char, IF_NAMESIZE> name{};
  if (const auto index = number_in(attributes[RTA_OIF]);
      index && ::if_indextoname(*index, name.data()) != nullptr)
    route.interface = name.data();
  return route;
}

Result<std::vector<config::VirtualRoute>> dump_own(nl_sock* socket) {
  std::vector<config::VirtualRoute> own;
  for (const int family : {AF_INET, AF_INET6}) {
    // The kernel leaves the others out itself (NETLINK_GET_STRICT_CHK): there may be a million of them.
    const rtmsg wanted{.rtm_family = static_cast<std::uint8_t>(family), .rtm_protocol = kRouteProtocol};
    const std::size_t before = own.size();
    const Status read = dump(
        socket, RTM_GETROUTE, {reinterpret_cast<const std::uint8_t*>(&wanted), sizeof wanted},
        [&] { own.resize(before); },
        [&](nlmsghdr& message) {
          if (auto route = parse_own(&message)) own.push_back(std::move(*route));
        });
    if (!read) return std::unexpected(read.error());
  }
  return own;
}

// ---- changing ---------------------------------------------------------------------------------

enum class Change { add, remove };

struct Planned {
  config::VirtualRoute route;
  Change change = Change::add;
};

Result<Route> build_route(const config::VirtualRoute& wanted) {
  Route route(rtnl_route_alloc());
  const NetlinkAddress to = netlink_address(network_of(wanted.to));
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (!route || !to || hop == nullptr) return fail_errno("build a route message", ENOMEM);
  rtnl_route_add_nexthop(route.get(), hop);  // owned by the route from here
  rtnl_route_set_family(route.get(), wanted.to.address.is_ipv4() ? AF_INET : AF_INET6);
  rtnl_route_set_dst(route.get(), to.get());
  rtnl_route_set_table(route.get(), wanted.table);
  rtnl_route_set_protocol(route.get(), kRouteProtocol);
  rtnl_route_set_priority(route.get(), metric_of(wanted));
  if (wanted.mtu) rtnl_route_set_metric(route.get(), RTAX_MTU, *wanted.mtu);
  const auto host = [](const IpAddress& address) {
    return netlink_address({address, static_cast<std::uint8_t>(address.bytes().size() * 8)});
  };
  if (wanted.via) {
    const NetlinkAddress via = host(*wanted.via);
    if (!via) return fail_errno("build a route message", ENOMEM);
    rtnl_route_nh_set_gateway(hop, via.get());
  }
  if (wanted.source) {
    const NetlinkAddress source = host(*wanted.source);
    if (!source) return fail_errno("build a route message", ENOMEM);
    rtnl_route_set_pref_src(route.get(), source.get());
  }
  if (!wanted.interface.empty()) {
    const auto index = static_cast<int>(::if_nametoindex(wanted.interface.c_str()));
    if (index == 0) return fail_errno("route " + to_string(wanted), errno);
    rtnl_route_nh_set_ifindex(hop, index);
  }
  return route;
}

Result<Message> build(const Planned& step) {
  const auto route = build_route(step.route);
  if (!route) return std::unexpected(route.error());
  nl_msg* built = nullptr;
  const int error = step.change == Change::add
                        ? rtnl_route_build_add_request(route->get(), NLM_F_CREATE | NLM_F_EXCL, &built)
                        : rtnl_route_build_del_request(route->get(), 0, &built);
  if (error < 0) return fail_netlink("build a message for route " + to_string(step.route), error);
  return Message(built);
}

Status judge(const Planned& step, int error) {
  if (error == 0) return {};
  if (step.change == Change::remove) {
    if (error == ESRCH || error == ENODEV) return {};  // gone already
    return fail_errno("remove route " + to_string(step.route), error, Blame::kernel);
  }
  if (error != EEXIST) return fail_errno("add route " + to_string(step.route), error, Blame::kernel);
  return fail(Blame::configuration,
              "route " + to_string(step.route) + ": a route to this prefix with the metric " +
                  std::to_string(metric_of(step.route)) +
                  " stands already, not set by this program; it is left as it is",
              EEXIST);
}

// Everything is tried: a route that cannot be set must not keep the others away.
Status carry_out(nl_sock* socket, std::span<const Planned> plan) {
  Status first_failure;
  const auto note = [&](Status status) {
    if (!status && first_failure) first_failure = std::move(status);
  };
  for (std::size_t done = 0; done < plan.size(); done += kMaxBatch) {
    std::vector<Message> messages;
    std::vector<const Planned*> sent;
    for (const Planned& step : plan.subspan(done, std::min(kMaxBatch, plan.size() - done))) {
      auto message = build(step);
      if (!message) {
        note(std::unexpected(message.error()));
        continue;
      }
      messages.push_back(std::move(*message));
      sent.push_back(&step);
    }
    if (messages.empty()) continue;
    const auto answers = send_batch(socket, messages);
    if (!answers) return std::unexpected(answers.error());
    for (std::size_t i = 0; i < sent.size(); ++i) note(judge(*sent[i], (*answers)[i]));
  }
  return first_failure;
}

}  // namespace

std::string to_string(const config::VirtualRoute& route) {
  std::string text = route.to.length == 0 ? "default" : route.to.to_string();
  if (route.via) text += " via " + route.via->to_string();
  if (!route.interface.empty()) text += " on " + route.interface;
  if (route.table != RT_TABLE_MAIN) text += " in table " + std::to_string(route.table);
  return text;
}

bool is_same_route(const config::VirtualRoute& left, const config::VirtualRoute& right) {
  return network_of(left.to) == network_of(right.to) && left.table == right.table &&
         metric_of(left) == metric_of(right);
}

Result<VirtualRoutes> VirtualRoutes::open() {
  auto socket = open_route_socket();
  if (!socket) return std::unexpected(socket.error());
  const int on = 1;
  if (::setsockopt(nl_socket_get_fd(socket->get()), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) != 0)
    return fail_errno("NETLINK_GET_STRICT_CHK on a netlink socket", errno);
  return VirtualRoutes(std::move(*socket));
}

Status VirtualRoutes::add(std::span<const config::VirtualRoute> routes) {
  const auto own = dump_own(socket_.get());
  if (!own) return std::unexpected(own.error());
  std::vector<Planned> plan;
  for (const config::VirtualRoute& wanted : routes) {
    bool stands = false;
    for (const config::VirtualRoute& each : *own) {
      if (!is_same_route(each, wanted)) continue;
      if (is_as_wanted(each, wanted))
        stands = true;
      else
        plan.push_back({each, Change::remove});
    }
    if (!stands) plan.push_back({wanted, Change::add});
  }
  return carry_out(socket_.get(), plan);
}

Status VirtualRoutes::remove(std::span<const config::VirtualRoute> routes) {
  const auto own = dump_own(socket_.get());
  if (!own) return std::unexpected(own.error());
  std::vector<Planned> plan;
  for (const config::VirtualRoute& each : *own) {
    const bool unwanted = std::ranges::any_of(
        routes, [&](const config::VirtualRoute& route) { return is_same_route(each, route); });
    if (unwanted) plan.push_back({each, Change::remove});
  }
  return carry_out(socket_.get(), plan);
}

Result<std::vector<config::VirtualRoute>> VirtualRoutes::list_own() {
  return dump_own(socket_.get());
}

}  // namespace ftfw::vrrp
