// A packet as the rules see it, and what they would ask the kernel about it: the state of its flow, the
// routes. Plain values; nothing here looks at a machine. Words: nft(8), nf_conntrack.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "appliance/base/address.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

enum class FlowState : std::uint8_t { fresh, established, related, invalid, untracked };

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;  // where the protocol has ports
  auto operator<=>(const Endpoint&) const = default;
};

// What the NAT of a flow does to a packet in the packet's own direction. Decided by the flow's first packet.
struct Rewrite {
  std::optional<Endpoint> destination;
  std::optional<Endpoint> source;
};

struct Flow {
  FlowState state = FlowState::fresh;
  Direction direction = Direction::original;
  bool expected = false;                // ct status expected
  bool destination_translated = false;  // ct status dnat
  std::string helper;                   // of the flow that announced this one (the kernel's `ct helper`)
  std::uint32_t mark = 0;
  Rewrite rewrite;  // not of a first packet: for that one the rules are asked
};

struct Packet {
  std::string in;   // empty: this machine sends it
  std::string out;  // empty: as the routes have it
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 6;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint8_t tcp_flags = 0x02;  // SYN
  std::uint32_t mark = 0;
  Flow flow;

  Family family() const { return destination.family(); }
};

// Of an address, by the routing table.
enum class Destination : std::uint8_t { local, elsewhere, group, nowhere };  // group: broadcast, multicast

struct Route {
  Destination destination = Destination::nowhere;
  std::string out;  // elsewhere, group
};

struct Surroundings {
  std::function<Route(const IpAddress& destination)> route;
  // What masquerade and redirect take.
  std::function<std::optional<IpAddress>(const std::string& interface, Family family)> own_address;
  // Whether the way back to the sender leads through the interface; loose: through any.
  std::function<bool(const IpAddress& source, const std::string& in, bool loose)> has_way_back;
};

}  // namespace ftfw::firewall
