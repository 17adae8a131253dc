// Virtual addresses in the kernel, each with a lifetime (a lease): the kernel removes what is no longer
// renewed, however the process ends. An object is owned and used by one thread; several threads have one
// each. Invariants: every address carries IFA_PROTO kAddressProtocol, the same flags and a lifetime, on every
// add and renewal (a renewal without them would erase them); an address without our protocol is never changed
// or removed. Through libnl-route, which in 3.7 has no IFA_PROTO: it is appended to the built message.
// Sources: net/ipv4/devinet.c, net/ipv6/addrconf.c (inet6_addr_modify).
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "config/model.hpp"
#include "vrrp/linux/address_protocol.hpp"
#include "vrrp/linux/route_socket.hpp"

namespace ftfw::vrrp {

struct VirtualAddress {
  std::string interface;
  IpPrefix address;
  config::AddressScope scope = config::AddressScope::global;  // IPv4; IPv6 has it in the address
  std::string label = {};                                     // IPv4 only; empty: none
  // No route to the network of the prefix: on a macvlan, whose parent has it. A host address never has one.
  // An IPv6 link-local address on a macvlan needs it (fe80::/64), or it cannot answer.
  bool no_prefix_route = false;

  auto operator<=>(const VirtualAddress&) const = default;
};

class VirtualAddresses {
 public:
  static Result<VirtualAddresses> open();

  // In one batch of messages (32 at a time), IPv6 link-local ones first; those of ours that
  // stand already are renewed, or made anew where scope, label or route differ. All are tried, the first
  // refusal is returned. The lifetime is in whole seconds, the kernel ends it up to a second late. IPv6: no
  // duplicate address detection, and a host address is never chosen as a source (preferred lifetime 0) unless
  // it is link-local. Refuses, before anything is changed, if one of them is somebody else's address on this
  // machine, a link-local one on this interface (Blame::configuration, EEXIST).
  Status add(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime);

  // Sets the lifetime anew. The kernel re-creates an address that is gone: the caller must not renew what it
  // has let expire.
  Status renew(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime);

  // Those of ours that stand; what is gone already is no error.
  Status remove(std::span<const VirtualAddress> addresses);

  // What carries our protocol on these interfaces, whoever put it there (a former run of this program):
  // interface and address; the rest is not read.
  Result<std::vector<VirtualAddress>> list_own(std::span<const std::string> interfaces);

 private:
  explicit VirtualAddresses(RouteSocket socket) : socket_(std::move(socket)) {}

  RouteSocket socket_;
};

}  // namespace ftfw::vrrp
