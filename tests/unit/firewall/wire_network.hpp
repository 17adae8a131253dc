// A firewall between a client's wire (eth1) and a server's (eth0) on which packets are bytes: sent as they
// are, and seen where they come out, as they come out. Routes and neighbours are fixed, so nothing but the
// rules decides. Everything happens on one processor, which works off its packets in order: a mark behind
// them, which no rule sees, says that all of them have been judged; nothing is waited for by time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/unique_fd.hpp"
#include "tests/unit/firewall/neighbour.hpp"
#include "tests/unit/firewall/packet_bytes.hpp"

namespace ftfw::firewall::test {

enum class Place : std::uint8_t { eth0, eth1, here };

// Of a packet, or of an answer that refuses it.
struct Sighting {
  Place place = Place::here;
  Arrival arrival;
};

// By the numbers of the packets.
using Sightings = std::map<std::uint32_t, std::vector<Sighting>>;

class WireNetwork {
 public:
  // Call it inside a fresh namespace: it becomes the firewall.
  WireNetwork();

  // interface: of the firewall, where the packet comes in.
  void send(const std::string& interface, ByteSpan packet);
  // What came of all that was sent since the last call.
  Sightings watch();

 private:
  struct Wire {
    std::unique_ptr<Neighbour> neighbour;
    UniqueFd socket;  // of packets, in the neighbour
    int index = 0;
    std::array<std::uint8_t, 6> firewall{};
    std::array<std::uint8_t, 6> own{};
    Place place = Place::eth0;
  };

  void configure();
  void send_mark(const Wire& from);
  void read_wire(const Wire& wire, Sightings& seen);
  void read_here(Sightings& seen);
  Wire& wire_of(const std::string& interface) { return interface == "eth1" ? client_ : server_; }

  Wire client_;
  Wire server_;
  std::map<int, UniqueFd> here_;  // raw sockets: 2 * protocol, + 1 for IPv6
};

}  // namespace ftfw::firewall::test
