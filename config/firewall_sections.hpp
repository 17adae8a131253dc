// The parts of read_firewall(): what the sections of rules, NAT, groups and input share. Internal to config/.
// As everywhere (sections.hpp): a value that could not be read keeps its default and has been reported.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/load.hpp"
#include "config/model.hpp"
#include "config/reader.hpp"

namespace ftfw::config {

// Protocols whose header begins with two ports: tcp, udp, sctp, dccp, udplite.
bool has_ports(std::uint8_t protocol);

// ---- values that may stand alone or in a list: "eth1", ["eth1", "eth3"]

std::vector<Value> elements_of(const Value& value);
// "any" alone is nothing.
std::vector<NamedInterface> read_interfaces(Section& section, Key key);
AddressSet read_addresses(Section& section, Key key);
PortSet read_ports(Section& section, Key key);
std::optional<PortRange> read_port_range(Section& section, Key key);
// An address or a range of them.
std::optional<AddressRange> read_range(const Value& value);

struct PacketKeys {
  Need source = Need::optional;
  Need destination = Need::optional;
  bool types = false;
};
// source, destination, protocol, source_ports, ports, and `types` if it is a key here. Checks what does not
// go together. Interfaces are the caller's.
void read_packets(Section& section, Match& match, const PacketKeys& keys);

// ---- statements

std::optional<RateLimit> read_limit(Section& section, Key key);
std::optional<RateLimit> read_limit(const Value& value);
std::optional<Log> read_log(Section& section);
std::string read_log_prefix(const Value& value);
std::optional<TcpFlags> read_tcp_flags(Section& section);
std::optional<Mark> read_mark(Section& section, Key key);
std::optional<ConnectionStates> read_states(Section& section);
std::string read_comment(Section& section);

// ---- sections

std::vector<Group> read_groups(Section& firewall, const ReadFile& read_file);
// [[firewall.allow]], [[firewall.deny]], [[firewall.reject]] in the order of the file; `inside` is where an
// allow begins unless it says otherwise.
std::vector<PolicyRule> read_rules(Section& firewall, const std::string& inside);
std::vector<PolicyRule> read_services(Section& firewall, const std::string& inside);
std::vector<SourceNat> read_source_nats(Section& firewall);
std::vector<DestinationNat> read_destination_nats(Section& firewall);
std::optional<Input> read_input(Section& firewall);

// ---- rules between sections

void check_firewall_groups(const Config& config, DiagnosticList& diagnostics);
void check_nat(const Config& config, DiagnosticList& diagnostics);

}  // namespace ftfw::config
