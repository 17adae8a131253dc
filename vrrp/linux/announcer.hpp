// Sends announcement frames (vrrp/announcement.hpp) on an interface: a packet socket that receives nothing.
// Owned and used by one thread. Source: packet(7).
#pragma once

#include <string>

#include "appliance/base/address.hpp"
#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw::vrrp {

class Announcer {
 public:
  // Needs CAP_NET_RAW.
  static Result<Announcer> open();

  // The MAC with which announcements on this interface speak.
  Result<MacAddress> mac_of(const std::string& interface) const;

  // A whole Ethernet frame (ARP, IPv6), on the interface of that name as it is now. Does not block.
  Status send(const std::string& interface, ByteSpan frame);

 private:
  explicit Announcer(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
};

}  // namespace ftfw::vrrp
