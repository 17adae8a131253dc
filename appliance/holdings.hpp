// What this machine's kernel holds while it is primary, and only then: the macvlans of virtual MACs up, the
// virtual addresses with their lease, the virtual routes. Owned and used by the failover thread; the lease
// thread renews the same addresses through an object of its own. Invariant: what is not ours (another
// protocol number, another alias) is never changed.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/model.hpp"
#include "vrrp/linux/virtual_addresses.hpp"
#include "vrrp/linux/virtual_mac_interfaces.hpp"
#include "vrrp/linux/virtual_routes.hpp"

namespace ftfw {

// The virtual addresses of a group, excluded ones included, on the interfaces that hold them.
std::vector<vrrp::VirtualAddress> addresses_of(const config::SyncGroup& group);

// One router's macvlan.
struct VirtualMacUse {
  std::string name;
  std::string parent;
  MacAddress mac;
  Family family = Family::ipv4;
};
std::vector<VirtualMacUse> virtual_macs_of(const config::SyncGroup& group);

class Holdings {
 public:
  static Result<Holdings> open(const config::SyncGroup& group);

  // At the start: makes the macvlans (down), and removes what a former run left and this configuration has
  // not. What it does have is adopted with the claim, or removed with the first role.
  Status prepare();
  // At the end: the macvlans go too. Addresses and routes are gone by then.
  Status remove_virtual_macs();

  // Macvlans up, then every address.
  Status add_addresses(std::chrono::seconds lifetime);
  // Every address, then macvlans down: an up macvlan takes the new primary's advertisements for its own.
  Status remove_addresses();
  Status add_routes();
  Status remove_routes();

  // What should stand and does not, as after somebody removed it.
  Result<std::vector<vrrp::VirtualAddress>> missing_addresses();
  Result<std::vector<config::VirtualRoute>> missing_routes();

  const std::vector<vrrp::VirtualAddress>& addresses() const { return addresses_; }
  vrrp::VirtualAddresses& kernel_addresses() { return kernel_addresses_; }

 private:
  Holdings(const config::SyncGroup& group, vrrp::VirtualAddresses addresses, vrrp::VirtualRoutes routes,
           vrrp::VirtualMacInterfaces macs);

  Status make_virtual_macs();

  std::vector<vrrp::VirtualAddress> addresses_;
  std::vector<config::VirtualRoute> routes_;
  std::vector<VirtualMacUse> macs_;
  std::vector<std::string> interfaces_;  // where virtual addresses can stand
  vrrp::VirtualAddresses kernel_addresses_;
  vrrp::VirtualRoutes kernel_routes_;
  vrrp::VirtualMacInterfaces kernel_macs_;
};

}  // namespace ftfw
