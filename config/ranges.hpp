// Ranges of addresses and of ports: what rules compare and groups hold. A single host or port is a range of
// one. Pure values; both ends are of one family, and first <= last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/address.hpp"

namespace ftfw::config {

struct AddressRange {
  IpAddress first;
  IpAddress last;

  Family family() const { return first.family(); }
  bool is_host() const { return first == last; }
  auto operator<=>(const AddressRange&) const = default;
};

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  bool is_single() const { return first == last; }
  auto operator<=>(const PortRange&) const = default;
};

// Every address of the network; host bits do not matter.
AddressRange range_of(const IpPrefix& prefix);
inline AddressRange range_of(const IpAddress& host) {
  return {host, host};
}
// The network that has exactly these addresses, if one does.
std::optional<IpPrefix> prefix_of(const AddressRange& range);

// "192.168.2.3-192.168.2.9", one family, in order. Nothing: no such range.
std::optional<AddressRange> parse_address_range(std::string_view text);
// "8000" or "8000-8080", 1 to 65535.
std::optional<PortRange> parse_port_range(std::string_view text);

// The next address; nothing behind the last one of the family.
std::optional<IpAddress> successor(const IpAddress& address);

// Sorted (IPv4 first); what overlaps or touches becomes one, as the kernel's interval sets and nft's listing
// have it. Where all are single, only duplicates go: such a list stays one of hosts, for a hash set.
std::vector<AddressRange> merged(std::vector<AddressRange> ranges);
std::vector<PortRange> merged(std::vector<PortRange> ranges);
// The same for an interval set, where single ones become one range, too, if they touch.
std::vector<AddressRange> joined(std::vector<AddressRange> ranges);
std::vector<PortRange> joined(std::vector<PortRange> ranges);

// As nft writes them: "192.168.2.3", "192.168.2.0/24", "192.168.2.3-192.168.2.9"; "22", "8000-8080".
std::string to_string(const AddressRange& range);
std::string to_string(const PortRange& range);

}  // namespace ftfw::config
