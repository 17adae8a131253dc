// Which packets a rule of the configuration is about, as nft matches. One nft rule compares one family, one
// protocol and one named set in each place, so a configuration rule with several becomes several nft rules:
// its alternatives. A packet matches at most one of them unless it is in more than one of the named groups.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

struct Alternative {
  std::optional<Family> family;  // none: both
  std::optional<std::uint8_t> protocol;
  std::vector<Expression> expressions;
};

// In the order interfaces, addresses, ports, flags, types. tcp_flags is for the alternatives of TCP.
// Combinations that no packet can have (an IPv4 source and an IPv6 destination) and groups without members
// give no alternative.
std::vector<Alternative> alternatives(const config::Match& match,
                                      const std::optional<config::TcpFlags>& tcp_flags,
                                      const std::vector<config::Group>& groups);

// Of a group of hosts or networks, which is a set for each family: "admins_v4". Of ports it is the name.
std::string set_name(const config::Group& group, Family family);

// The sets that rules of the table look into.
std::vector<SetObject> sets_used(const Table& table, const std::vector<config::Group>& groups);

}  // namespace ftfw::firewall
