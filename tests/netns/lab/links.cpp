#include "tests/netns/lab/links.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

template <auto Release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    Release(object);
  }
};
using Link = std::unique_ptr<rtnl_link, Releaser<rtnl_link_put>>;
using VethLink = std::unique_ptr<rtnl_link, Releaser<rtnl_link_veth_release>>;
using Address = std::unique_ptr<rtnl_addr, Releaser<rtnl_addr_put>>;
using PlainAddress = std::unique_ptr<nl_addr, Releaser<nl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, Releaser<rtnl_route_put>>;

void accept_answer(int code, const std::string& what) {
  if (code < 0) give_up(what + ": " + nl_geterror(code));
}

PlainAddress parse_address(const std::string& text) {
  nl_addr* address = nullptr;
  accept_answer(nl_addr_parse(text.c_str(), AF_UNSPEC, &address), "address " + text);
  return PlainAddress(address);
}

Address interface_address(int index, const std::string& text) {
  Address address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), index);
  accept_answer(rtnl_addr_set_local(address.get(), parse_address(text).get()), "address " + text);
  return address;
}

// Copies: the caller releases each.
std::vector<rtnl_addr*> addresses_of(nl_sock* socket, int index) {
  struct Search {
    int index;
    std::vector<rtnl_addr*> found;
  } search{index, {}};
  nl_cache* all = nullptr;
  accept_answer(rtnl_addr_alloc_cache(socket, &all), "addresses");
  const auto collect = [](nl_object* object, void* context) {
    auto& into = *static_cast<Search*>(context);
    if (rtnl_addr_get_ifindex(reinterpret_cast<rtnl_addr*>(object)) != into.index) return;
    into.found.push_back(reinterpret_cast<rtnl_addr*>(nl_object_clone(object)));
  };
  nl_cache_foreach(all, collect, &search);
  nl_cache_free(all);
  return search.found;
}

std::string text_of(rtnl_addr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  nl_addr* local = rtnl_addr_get_local(address);
  ::inet_ntop(rtnl_addr_get_family(address), nl_addr_get_binary_addr(local), text, sizeof text);
  return text;
}

}  // namespace

Links::Links(const NetNamespace& space) : socket_(nl_socket_alloc()) {
  const Inside inside(space);
  accept_answer(nl_connect(socket_, NETLINK_ROUTE), "netlink socket");
}

Links::Links(Links&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}

Links& Links::operator=(Links&& other) noexcept {
  std::swap(socket_, other.socket_);
  return *this;
}

Links::~Links() {
  if (socket_ != nullptr) nl_socket_free(socket_);
}

void Links::add_bridge(const std::string& name) {
  accept_answer(rtnl_link_bridge_add(socket_, name.c_str()), "bridge " + name);
}

void Links::add_cable(const std::string& name, const std::string& bridge, const NetNamespace& peer,
                      const std::string& peer_name) {
  const VethLink cable(rtnl_link_veth_alloc());
  rtnl_link_set_name(cable.get(), name.c_str());
  rtnl_link_set_master(cable.get(), index_of(bridge));
  const Link other_end(rtnl_link_veth_get_peer(cable.get()));
  rtnl_link_set_name(other_end.get(), peer_name.c_str());
  rtnl_link_set_ns_fd(other_end.get(), peer.fd());
  accept_answer(rtnl_link_add(socket_, cable.get(), NLM_F_CREATE | NLM_F_EXCL), "cable " + name);
}

void Links::set_state(const std::string& name, bool up) {
  const Link which(rtnl_link_alloc());
  const Link change(rtnl_link_alloc());
  rtnl_link_set_ifindex(which.get(), index_of(name));
  if (up) {
    rtnl_link_set_flags(change.get(), IFF_UP);
  } else {
    rtnl_link_unset_flags(change.get(), IFF_UP);
  }
  accept_answer(rtnl_link_change(socket_, which.get(), change.get(), 0),
                "link " + name + (up ? " up" : " down"));
}

void Links::add_address(const std::string& name, const std::string& address) {
  accept_answer(rtnl_addr_add(socket_, interface_address(index_of(name), address).get(), NLM_F_CREATE),
                "add " + address + " to " + name);
}

void Links::remove_address(const std::string& name, const std::string& address) {
  const int index = index_of(name);
  for (rtnl_addr* found : addresses_of(socket_, index)) {
    const Address owned(found);
    if (text_of(found) == address) {
      accept_answer(rtnl_addr_delete(socket_, found, 0), "remove " + address + " from " + name);
    }
  }
}

void Links::add_default_route(const std::string& gateway) {
  const Route route(rtnl_route_alloc());
  accept_answer(rtnl_route_set_dst(route.get(), parse_address("0.0.0.0/0").get()), "default route");
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_gateway(hop, parse_address(gateway).get());
  rtnl_route_add_nexthop(route.get(), hop);
  accept_answer(rtnl_route_add(socket_, route.get(), NLM_F_CREATE), "default route by " + gateway);
}

bool Links::is_running(const std::string& name) {
  rtnl_link* found = nullptr;
  accept_answer(rtnl_link_get_kernel(socket_, 0, name.c_str(), &found), "link " + name);
  const Link link(found);
  return (rtnl_link_get_flags(link.get()) & IFF_RUNNING) != 0;
}

std::map<std::string, std::uint32_t> Links::addresses(const std::string& name) {
  std::map<std::string, std::uint32_t> result;
  for (rtnl_addr* found : addresses_of(socket_, index_of(name))) {
    const Address owned(found);
    result[text_of(found)] = rtnl_addr_get_valid_lifetime(found);
  }
  return result;
}

int Links::index_of(const std::string& name) {
  rtnl_link* found = nullptr;
  accept_answer(rtnl_link_get_kernel(socket_, 0, name.c_str(), &found), "link " + name);
  const Link link(found);
  return rtnl_link_get_ifindex(link.get());
}

}  // namespace ftfw::lab
