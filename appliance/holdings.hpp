// What this machine's kernel holds while it is primary, and only then: the macvlans of virtual MACs up, the
// virtual addresses with their lease, the virtual routes. Owned and used by the failover thread; the lease
// thread renews the same addresses through an object of its own. Invariant: what is not ours (another
// protocol number, another link group) is never changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
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
  vrrp::AddressFamilies families;  // of all its addresses, excluded ones too
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

  // Macvlans up (one that went with its parent is made again), then every address. Nothing else: the kernel's
  // settings of the macvlans have been written when they were made.
  Status add_addresses(std::chrono::seconds lifetime);
  // Every address, then macvlans down: an up macvlan takes the new primary's advertisements for its own.
  Status remove_addresses();
  Status add_routes();
  Status remove_routes();

  // Makes each macvlan that is gone, once its parent is there: down, or up if it should be, as one that
  // stands. Returns the names of those that were not as they should be and now are. Cheap when there is
  // nothing to do.
  Result<std::vector<std::string>> mend_virtual_macs(bool up);
  // Those of one call only, all tried: the first refusal is returned.
  Status put_back(std::span<const vrrp::VirtualAddress> addresses, std::chrono::seconds lifetime);
  Status put_back(std::span<const config::VirtualRoute> routes);
  // How often this program itself may have replaced addresses or routes: its own removals are told like
  // others.
  std::uint64_t changes() const { return changes_; }

  // Whether the interface below the address is up. If not, it is a fault, and nothing can be put back.
  bool can_stand(const vrrp::VirtualAddress& address) const;
  bool all_interfaces_up() const;

  // What should stand and does not, as after somebody removed it.
  Result<std::vector<vrrp::VirtualAddress>> missing_addresses();
  Result<std::vector<config::VirtualRoute>> missing_routes();

  const std::vector<vrrp::VirtualAddress>& addresses() const { return addresses_; }
  const std::vector<config::VirtualRoute>& routes() const { return routes_; }
  vrrp::VirtualAddresses& kernel_addresses() { return kernel_addresses_; }

 private:
  Holdings(const config::SyncGroup& group, vrrp::VirtualAddresses addresses, vrrp::VirtualRoutes routes,
           vrrp::VirtualMacInterfaces macs);

  Status make(const VirtualMacUse& use);

  std::vector<vrrp::VirtualAddress> addresses_;
  std::vector<config::VirtualRoute> routes_;
  std::vector<VirtualMacUse> macs_;
  std::vector<std::string> interfaces_;  // where virtual addresses can stand
  vrrp::VirtualAddresses kernel_addresses_;
  vrrp::VirtualRoutes kernel_routes_;
  vrrp::VirtualMacInterfaces kernel_macs_;
  std::uint64_t changes_ = 0;
};

}  // namespace ftfw
