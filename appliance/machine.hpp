// The machine as the configuration sees it before anything is opened: names of interfaces and addresses.
// Read once, at --check and at the start; link events later come through netlink.
#pragma once

#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "config/interface_use.hpp"
#include "config/model.hpp"
#include "firewall/own_traffic.hpp"

namespace ftfw {

struct Machine {
  std::vector<std::string> interfaces;
  std::vector<IpAddress> addresses;
  std::vector<firewall::HeldAddress> held;  // the same, with interface and network
};

Result<Machine> read_machine();

// The places of the configuration that name an interface the machine does not have, one per interface: the
// first that is essential, else the first. --check makes warnings of all, a start refuses with exit code 4
// if one is essential.
std::vector<config::InterfaceUse> missing_interfaces(const config::Config& config, const Machine& machine);

// "this machine has no interface eth3 (for tracking): it counts as down"
std::string describe_missing(const config::InterfaceUse& use);

}  // namespace ftfw
