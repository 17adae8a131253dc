// Which [node.*] this machine is. Pure: the machine's addresses are handed in. One file serves both
// firewalls, so a wrong answer here would make two nodes of one name; it is either certain or an error.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "config/model.hpp"

namespace ftfw::config {

// The index in config.nodes. wanted: the name given with --node; empty: the node whose replication address is
// one of the machine's. Blame::configuration if there is none, or more than one.
Result<std::size_t> recognise_node(const Config& config, std::span<const IpAddress> machine_addresses,
                                   std::string_view wanted);

}  // namespace ftfw::config
