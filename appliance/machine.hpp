// The machine as the configuration sees it before anything is opened: names of interfaces and addresses.
// Read once, at --check and at the start; link events later come through netlink.
#pragma once

#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "config/interface_use.hpp"
#include "config/model.hpp"

namespace ftfw {

struct Machine {
  std::vector<std::string> interfaces;
  std::vector<IpAddress> addresses;
};

Result<Machine> read_machine();

// The places of the configuration that name an interface the machine does not have, one per interface: the
// first. --check makes warnings of them, a start refuses with exit code 4.
std::vector<config::InterfaceUse> missing_interfaces(const config::Config& config, const Machine& machine);

}  // namespace ftfw
