// Whether who administers this machine over SSH still gets in under a policy, found by sending a login, as a
// value, through the ruleset as it will be loaded. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "config/diagnostic.hpp"
#include "firewall/own_traffic.hpp"

namespace ftfw::firewall {

// A TCP connection to this machine's SSH server that stands now, or a port where that server listens.
struct SshUse {
  std::uint16_t port = 22;
  std::optional<IpAddress> client;  // none: it listens only
  IpAddress local;
};

// Warnings: who is logged in now could not log in again, or nobody could.
void check_ssh(const config::Config& config, const Ruleset& ruleset, const Guard& guard,
               const std::vector<HeldAddress>& held, const std::vector<SshUse>& uses,
               config::DiagnosticList& list);

}  // namespace ftfw::firewall
