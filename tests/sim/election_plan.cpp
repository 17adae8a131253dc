// What the worlds of the election are made of.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "tests/sim/election_world.hpp"

namespace ftfw::sim {
namespace {

constexpr std::size_t kMaxNodes = 4;
constexpr std::size_t kMaxLegs = 5;

std::size_t pick(Random& random, std::size_t least, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(least, most)(random);
}

IpAddress address_of(Family family, std::size_t leg, std::size_t host) {
  const auto subnet = static_cast<std::uint8_t>(leg);
  const auto last = static_cast<std::uint8_t>(host);
  if (family == Family::ipv4) return IpAddress::ipv4({10, 0, subnet, last});
  return IpAddress::ipv6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, subnet, last});
}

vrrp::RouterSettings router_of(Family family, std::size_t leg) {
  constexpr std::size_t kVirtualHost = 200;
  return {.name = fmt::format("leg-{}", leg),
          .interface = fmt::format("eth{}", leg),
          .id = static_cast<std::uint8_t>(leg + 1),
          .addresses = {address_of(family, leg, kVirtualHost)}};
}

// The order of the nodes' addresses differs from leg to leg: what a tie makes of it must not.
std::vector<IpAddress> draw_addresses(Random& random, Family family, std::size_t leg, std::size_t nodes) {
  std::vector<std::size_t> hosts(nodes);
  std::iota(hosts.begin(), hosts.end(), 1);
  std::ranges::shuffle(hosts, random);
  std::vector<IpAddress> addresses;
  for (const std::size_t host : hosts) addresses.push_back(address_of(family, leg, host));
  return addresses;
}

// What all nodes share.
vrrp::Settings draw_common(Random& random) {
  constexpr std::array<Duration, 5> kIntervals{10ms, 50ms, 100ms, 100ms, 1s};
  constexpr std::array<int, 4> kMissed{2, 3, 3, 5};
  vrrp::Settings settings;
  settings.version = chance(random, 0.2) ? 2 : 3;
  settings.advertisement_interval =
      settings.version == 2 ? Duration(1s) : kIntervals.at(pick(random, 0, kIntervals.size() - 1));
  settings.missed_advertisements = kMissed.at(pick(random, 0, kMissed.size() - 1));
  settings.sync_wait = 10 * settings.advertisement_interval;
  if (chance(random, 0.2)) settings.preempt_delay = between(random, 0s, 5 * settings.advertisement_interval);
  if (chance(random, 0.2)) settings.startup_delay = between(random, 0s, 8 * settings.advertisement_interval);
  settings.preempt = !chance(random, 0.2);
  return settings;
}

}  // namespace

ElectionPlan draw_election_plan(Random& random) {
  ElectionPlan plan;
  vrrp::Settings common = draw_common(random);
  const std::size_t nodes = chance(random, 0.5) ? 2 : pick(random, 2, kMaxNodes);
  const std::size_t legs = pick(random, 1, kMaxLegs);
  for (std::size_t leg = 0; leg < legs; ++leg) {
    const Family family = chance(random, 0.4) ? Family::ipv6 : Family::ipv4;
    common.routers.push_back(router_of(family, leg));
    plan.addresses.push_back(draw_addresses(random, family, leg, nodes));
    if (chance(random, 0.2)) common.routers.back().unicast = plan.addresses.back();
    if (chance(random, 0.2))
      common.routers.back().up_delay = between(random, 0s, 3 * common.advertisement_interval);
  }
  const bool ties = chance(random, 0.25);
  for (std::size_t i = 0; i < nodes; ++i) {
    vrrp::Settings settings = common;
    settings.priority = ties ? 100 : static_cast<std::uint8_t>(pick(random, 1, 254));
    plan.nodes.push_back(settings);
  }
  if (chance(random, 0.1)) plan.nodes.front().priority = vrrp::kPriorityOwner;
  return plan;
}

ElectionPlan simple_election_plan(std::vector<std::uint8_t> priorities, std::size_t legs) {
  ElectionPlan plan;
  vrrp::Settings common{.advertisement_interval = 100ms};
  for (std::size_t leg = 0; leg < legs; ++leg) {
    common.routers.push_back(router_of(Family::ipv4, leg));
    std::vector<IpAddress> addresses;
    for (std::size_t i = 0; i < priorities.size(); ++i)
      addresses.push_back(address_of(Family::ipv4, leg, i + 1));
    plan.addresses.push_back(addresses);
  }
  for (const std::uint8_t priority : priorities) {
    plan.nodes.push_back(common);
    plan.nodes.back().priority = priority;
  }
  return plan;
}

}  // namespace ftfw::sim
