// Established, source-translated TCP flows in numbers, without as many sockets: put into a firewall's kernel
// by ctnetlink, as if the ruleset had translated real ones. To everyone else who watches that kernel they
// arrive as the events that real connections cause.
#pragma once

#include <cstddef>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

inline constexpr std::size_t kMostFlows =
    120'000;  // 30,000 client ports below the ephemeral ones, 4 servers' ports

void make_flows(const Lab& lab, Node node, std::size_t count);

}  // namespace ftfw::lab
