// A firewall's connection tracking table as independent readers see it: conntrack(8) for tuples, state, mark,
// helper and expectations, and a dump of our own for the NAT bits of CTA_STATUS, which conntrack(8) does not
// show. For the comparison of the two firewalls; timeouts are left aside.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

struct Flow {
  std::string protocol;
  std::string source;        // of the original direction
  std::string reply_source;  // of the reply direction
  std::string reply;         // the whole reply tuple
  std::string state;
  std::string mark;
  std::string helper;
  std::string flags;  // [ASSURED] [UNREPLIED]
  bool source_nat = false;
  bool destination_nat = false;

  std::string text() const;
};

struct FlowTable {
  // By original tuple, "tcp 192.168.2.3:1024 > 192.168.0.3:80".
  std::map<std::string, Flow> flows;
  std::set<std::string> expectations;
};

// Only what the firewalls replicate: TCP, SCTP and DCCP, and no flow of the pair's own (one whose original
// source or reply source is an address of theirs).
FlowTable replicated_flows(Lab& lab, Node node);

// The state of the client's TCP flow with this source port on that node, if the flow is there.
std::optional<std::string> state_of_client_port(Lab& lab, Node node, std::uint16_t port);

// Empty if equal; otherwise the first few differences, one a line.
std::string difference(const FlowTable& first, const FlowTable& second);

// Waits until both firewalls hold the same, and at least this many flows. Empty, or what still differs at the
// deadline.
std::string wait_equal(Lab& lab, std::size_t at_least, Duration at_most);

}  // namespace ftfw::lab
