// The macvlans that carry a virtual router's own MAC (RFC 9568 7.3): private ones above the router's
// interface, made down with the settings that they need, up only while this node is primary (an up macvlan
// takes the Active router's advertisements away from its parent). Owned and used by one thread. Invariant: an
// interface that does not carry our group number (IFLA_GROUP, which the kernel sets as it makes the
// interface) is never changed. Sources: drivers/net/macvlan.c, Documentation/networking/ip-sysctl.rst.
#pragma once

#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "vrrp/linux/route_socket.hpp"

namespace ftfw::vrrp {

// "ip link" shows it as the interface's group. High, where no administrator counts up to.
inline constexpr std::uint32_t kVirtualMacGroup = 0x00f70112;

class VirtualMacInterfaces {
 public:
  static Result<VirtualMacInterfaces> open();

  // Down. One of ours that stands with this parent and MAC is adopted, up as it may be; with others it is
  // made anew. Refuses an interface of that name that is not ours (Blame::configuration, EEXIST). The
  // settings of the family are written in every case; each that cannot be is named in one error.
  Status create(const std::string& name, const std::string& parent, const MacAddress& mac, Family family);

  // Of one of ours (Blame::configuration, EPERM, if it is not). Down takes its IPv6 addresses with it, not
  // its IPv4 ones.
  Status set_up(const std::string& name);
  Status set_down(const std::string& name);

  // One that is gone already is no error.
  Status remove(const std::string& name);

  // The names of ours, whoever made them (a former run of this program).
  Result<std::vector<std::string>> list_own();

 private:
  explicit VirtualMacInterfaces(RouteSocket socket) : socket_(std::move(socket)) {}

  Status set_flag(const std::string& name, bool up);

  RouteSocket socket_;
};

}  // namespace ftfw::vrrp
