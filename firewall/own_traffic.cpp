#include "firewall/own_traffic.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "firewall/explain.hpp"
#include "firewall/presumed.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::uint8_t kVrrp = 112;                               // RFC 9568 5.1.1.4
constexpr std::array<std::uint8_t, 4> kVrrpGroup{224, 0, 0, 18};  // RFC 9568 5.1.1.2
constexpr std::array<std::uint8_t, 16> kVrrpGroupV6{0xff, 0x02, 0, 0, 0, 0, 0, 0,
                                                    0,    0,    0, 0, 0, 0, 0, 0x12};  // RFC 9568 5.1.2.2

struct Exchange {
  std::string what;  // "the advertisements of 192.168.0.200 that come in on eth0"
  Packet packet;
  bool comes_in = true;
};

std::vector<IpAddress> own_addresses(const std::vector<HeldAddress>& held) {
  std::vector<IpAddress> own;
  for (const HeldAddress& one : held) own.push_back(one.address.address);
  return own;
}

class Judge {
 public:
  Judge(const config::Config& config, const Ruleset& ruleset, const Guard& guard,
        const std::vector<IpAddress>& own, config::DiagnosticList& list)
      : surroundings_(presumed_surroundings(config, own)), primary_(tables_of(ruleset)), list_(list) {
    fill_standby_tables(standby_, ruleset, guard);
  }

  // Nothing: it gets through, unchanged, whatever happens. Else what stops it.
  std::optional<Decision> obstacle(const Packet& packet, bool comes_in) const {
    for (const Tables* tables : {&primary_, &standby_.tables}) {
      for (const Outcome& outcome : possible_outcomes(*tables, surroundings_, packet)) {
        for (const Translation& translation : outcome.translations) {
          const Side harmful = comes_in ? Side::destination : Side::source;
          const IpAddress& before = comes_in ? packet.destination : packet.source;
          if (translation.side == harmful && translation.to.address != before) return translation.by;
        }
        const Decision* decision = outcome.decisive();
        if (!outcome.passes() && decision != nullptr) return *decision;
      }
    }
    return std::nullopt;
  }

  // All of them stand for one thing that is not known better: an error only if all are hit.
  void judge(const std::vector<Exchange>& candidates) {
    std::optional<Decision> found;
    for (const Exchange& one : candidates) {
      found = obstacle(one.packet, one.comes_in);
      if (!found) return;
    }
    if (found) tell(*found, candidates.front());
  }

 private:
  void tell(const Decision& decision, const Exchange& exchange) {
    const Location where = decision.rule == nullptr ? decision.chain->where : decision.rule->where;
    if (!told_.insert({where, exchange.comes_in, exchange.packet.protocol}).second) return;
    if (decision.effect == Effect::translates) {
      list_.error(where,
                  fmt::format("this translates {}, so the other node does not take them for what they are",
                              exchange.what),
                  exchange.comes_in
                      ? "name a destination, or a protocol with ports, that is not the firewall's"
                      : "name a source that the nodes' own addresses are not in");
    } else {
      list_.error(where, fmt::format("this drops {}", exchange.what),
                  "they belong to the pair itself: let them pass");
    }
  }

  Surroundings surroundings_;
  Tables primary_;
  StandbyTables standby_;
  std::set<std::tuple<Location, bool, std::uint8_t>> told_;
  config::DiagnosticList& list_;
};

// ---- advertisements

// The next one and the one before it, in the same network.
std::vector<IpAddress> neighbours(const IpPrefix& address, std::uint8_t presumed_length) {
  std::vector<IpAddress> found;
  const IpPrefix network{address.address, address.is_host() ? presumed_length : address.length};
  for (const int step : {-1, 1}) {
    const ByteSpan bytes = address.address.bytes();
    ByteVector moved(bytes.begin(), bytes.end());
    moved.back() = static_cast<std::uint8_t>(moved.back() + step);
    const auto neighbour = IpAddress::from_bytes(moved);
    if (neighbour && network.contains(*neighbour)) found.push_back(*neighbour);
  }
  return found;
}

struct Speakers {
  std::vector<IpAddress> known;
  std::vector<IpAddress> presumed;  // only while none is known
};

constexpr std::uint8_t kUsualLength = 24;
constexpr std::uint8_t kUsualLengthV6 = 64;

Speakers speakers_of(const config::VirtualRouter& router, const std::vector<HeldAddress>& held) {
  Speakers speakers;
  const bool ipv4 = router.family() != Family::ipv6;
  for (const auto* list : {&router.unicast, &router.allowed_sources})
    speakers.known.insert(speakers.known.end(), list->begin(), list->end());
  const auto is_own = [&](const HeldAddress& one) {
    const bool is_virtual = std::ranges::any_of(router.addresses, [&](const config::VirtualAddress& address) {
      return address.address.address == one.address.address;
    });
    // IPv6 advertisements come from link-local addresses (RFC 9568 5.1.2.1).
    return one.interface == router.interface && one.address.address.is_ipv4() == ipv4 && !is_virtual &&
           (ipv4 || one.address.address.is_link_local());
  };
  for (const HeldAddress& one : held) {
    if (!is_own(one)) continue;
    speakers.known.push_back(one.address.address);
    break;  // the first one speaks
  }
  if (!speakers.known.empty() || router.addresses.empty()) return speakers;
  speakers.presumed = neighbours(router.addresses.front().address, ipv4 ? kUsualLength : kUsualLengthV6);
  return speakers;
}

Exchange advertisement(const config::VirtualRouter& router, const IpAddress& from, const IpAddress& to,
                       bool comes_in) {
  Packet packet{.source = from, .destination = to, .protocol = kVrrp, .tcp_flags = 0};
  (comes_in ? packet.in : packet.out) = router.interface;
  return {.what = fmt::format("the advertisements of {} that {} on {}", from.to_string(),
                              comes_in ? "come in" : "leave", router.interface),
          .packet = packet,
          .comes_in = comes_in};
}

void judge_advertisements(Judge& judge, const config::VirtualRouter& router,
                          const std::vector<HeldAddress>& held) {
  const Speakers speakers = speakers_of(router, held);
  std::vector<IpAddress> destinations = router.unicast;
  if (destinations.empty())
    destinations = {router.family() == Family::ipv6 ? IpAddress::ipv6(kVrrpGroupV6)
                                                    : IpAddress::ipv4(kVrrpGroup)};
  for (const IpAddress& to : destinations) {
    for (const bool comes_in : {true, false}) {
      for (const IpAddress& from : speakers.known) {
        if (from != to) judge.judge({advertisement(router, from, to, comes_in)});
      }
      std::vector<Exchange> presumed;
      for (const IpAddress& from : speakers.presumed)
        presumed.push_back(advertisement(router, from, to, comes_in));
      judge.judge(presumed);
    }
  }
}

// ---- replication

void judge_link(Judge& judge, const std::string& interface, const std::vector<IpAddress>& nodes,
                std::uint16_t port) {
  for (const IpAddress& from : nodes) {
    for (const IpAddress& to : nodes) {
      if (from == to) continue;
      for (const bool comes_in : {true, false}) {
        for (const bool answer : {false, true}) {
          Packet packet{.source = from,
                        .destination = to,
                        .protocol = IPPROTO_UDP,
                        .source_port = port,
                        .destination_port = port,
                        .tcp_flags = 0};
          (comes_in ? packet.in : packet.out) = interface;
          if (answer) packet.flow = {.state = FlowState::established, .direction = Direction::reply};
          judge.judge({{.what = fmt::format("the replication of {} that {} on {}", from.to_string(),
                                            comes_in ? "comes in" : "leaves", interface),
                        .packet = packet,
                        .comes_in = comes_in}});
        }
      }
    }
  }
}

}  // namespace

void check_own_traffic(const config::Config& config, const Ruleset& ruleset, const Guard& guard,
                       const std::vector<HeldAddress>& held, config::DiagnosticList& list) {
  std::vector<IpAddress> own = own_addresses(held);
  std::vector<std::pair<std::string, std::vector<IpAddress>>> links;
  std::vector<IpAddress> nodes;
  for (const config::Node& node : config.nodes) nodes.push_back(node.replication_address);
  links.emplace_back(config.replication.interface, nodes);
  for (const config::ReplicationLink& link : config.replication.further_links)
    links.emplace_back(link.interface, link.addresses);
  // Each node's addresses are local on that node: for what comes in, all of them are.
  for (const auto& [interface, addresses] : links) own.insert(own.end(), addresses.begin(), addresses.end());
  for (const config::VirtualRouter& router : config.group.routers)
    own.insert(own.end(), router.unicast.begin(), router.unicast.end());

  Judge judge(config, ruleset, guard, own, list);
  for (const config::VirtualRouter& router : config.group.routers) judge_advertisements(judge, router, held);
  for (const auto& [interface, addresses] : links)
    judge_link(judge, interface, addresses, config.replication.port);
}

}  // namespace ftfw::firewall
