// What is known of named interfaces: link, primary IPv4 address, IPv6 link-local address. A value that the
// kernel's messages are applied to, in their order; the same message twice does no harm. Pure, any thread.
// Invariant: a virtual address of ours (IFA_PROTO) is never the address of an interface: it moves.
// Sources: rtnetlink(7), RFC 4862 5.4 (tentative addresses).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/address.hpp"

struct nlmsghdr;

namespace ftfw::vrrp {

struct LinkState {
  int index = 0;                        // 0: there is no such interface
  bool up = false;                      // administratively up, and with a carrier (IFF_UP and IFF_RUNNING)
  std::optional<IpAddress> ipv4;        // the primary one
  std::optional<IpAddress> link_local;  // IPv6; none while duplicate address detection runs or has failed

  bool exists() const { return index != 0; }
  // With which this node speaks as a router of the family.
  const std::optional<IpAddress>& address(Family family) const {
    return family == Family::ipv4 ? ipv4 : link_local;
  }
  bool operator==(const LinkState&) const = default;
};

struct LinkEvent {
  int index = 0;
  std::string name;
  bool up = false;
  bool deleted = false;
};
struct AddressEvent {
  int index = 0;
  IpAddress address;
  std::uint8_t prefix_length = 0;
  std::uint32_t flags = 0;  // IFA_F_*
  bool deleted = false;
};
using LinkTableEvent = std::variant<LinkEvent, AddressEvent>;

// Nothing: a message of another kind, or of one of our virtual addresses.
std::optional<LinkTableEvent> link_table_event(const nlmsghdr& message);

class LinkTables {
 public:
  explicit LinkTables(std::vector<std::string> interfaces);

  // True when an interface appeared under one of the names: the addresses that it brought along were reported
  // before, under another name, and are missing here.
  bool apply(const LinkTableEvent& event);

  bool knows(int index) const;
  std::size_t size() const { return entries_.size(); }
  const LinkState& state(std::size_t interface) const { return entries_.at(interface).state; }

 private:
  struct Entry {
    std::string name;
    LinkState state;
    std::vector<AddressEvent> addresses;  // in the kernel's order, without our virtual ones

    void choose_addresses();
  };

  bool apply_link(const LinkEvent& link);
  void apply_address(const AddressEvent& address);

  std::vector<Entry> entries_;
};

}  // namespace ftfw::vrrp
