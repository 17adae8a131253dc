// Link, primary IPv4 address and IPv6 link-local address of named interfaces, kept current by rtnetlink
// events. Owned and used by one thread. The descriptor never blocks; only a lost event (ENOBUFS) or a new
// interface makes it read the tables again. Invariant: a virtual address of ours (IFA_PROTO) is never the
// address of an interface: it moves. Sources: rtnetlink(7), RFC 4862 5.4 (tentative addresses).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"

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

struct LinkChange {
  std::size_t interface = 0;  // index into the names given to open()
  LinkState state;
  bool recreated = false;  // the index is another one: sockets bound to the interface must rejoin
};

class LinkWatch {
 public:
  // Reads the present state; an interface that does not exist is no error.
  static Result<LinkWatch> open(std::vector<std::string> interfaces);

  int fd() const { return events_.fd(); }
  const LinkState& state(std::size_t interface) const { return entries_.at(interface).state; }

  // Takes in the waiting events and returns what differs from the last call, one entry an interface.
  Result<std::vector<LinkChange>> read();

  std::uint64_t lost_events() const { return lost_events_; }  // how often the tables had to be read again

 private:
  struct Address {
    IpAddress address;
    std::uint8_t prefix_length = 0;
    std::uint32_t flags = 0;  // IFA_F_*
  };
  struct Entry {
    std::string name;
    LinkState state;
    std::vector<Address> addresses;  // in the kernel's order, without our virtual ones

    void choose_addresses();
  };

  LinkWatch(NetlinkSocket events, std::vector<std::string> interfaces);

  Status read_tables();
  Status dump(std::uint16_t request);
  void take(const nlmsghdr& message);
  void take_link(const nlmsghdr& message);
  void take_address(const nlmsghdr& message);

  NetlinkSocket events_;
  std::vector<Entry> entries_;
  bool tables_are_stale_ = false;
  std::uint64_t lost_events_ = 0;
};

}  // namespace ftfw::vrrp
