// Advertisements of one leg on the wire, IPv4 or IPv6, to the group or to single hosts. Owned and used by one
// thread, never blocks. With a virtual MAC they leave as Ethernet frames through the parent interface with
// that MAC as their source (RFC 9568 7.3), whether the macvlan is up or not, and they are awaited on both
// interfaces: an up macvlan takes every frame that comes from its own MAC, a competing Active router's, away
// from the parent (macvlan_handle_frame in drivers/net/macvlan.c). Invariants: those of RawSocket.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"
#include "vrrp/linux/raw_socket.hpp"
#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

class AdvertisementSocket {
 public:
  // The interface, and the macvlan of a virtual MAC, must exist. Needs CAP_NET_RAW and CAP_NET_ADMIN.
  static Result<AdvertisementSocket> open(const RouterSettings& router);

  // Where packets arrive: one descriptor, two with a virtual MAC. They stay the same.
  std::span<const int> fds() const { return {fds_.data(), receivers_.size()}; }

  // After the interface or the macvlan was deleted and made again: bind and join anew. Harmless otherwise. A
  // macvlan that is not there yet is no error: its own appearance is the next occasion.
  Status rejoin();

  // Blame::kernel with errno when the kernel refuses; EPERM: a packet filter drops it. A virtual MAC speaks
  // to groups only (Blame::configuration, EAFNOSUPPORT), in whole frames (EMSGSIZE: more addresses than the
  // MTU holds, 90 of IPv6 in 1500 bytes), and past the packet filter's output hook.
  Status send(ByteSpan packet, const IpAddress& source, const IpAddress& destination);

  // The next packet, of each descriptor in turn; nothing when none is waiting on any. Its payload is valid
  // until the next call. Packets whose IP header does not fit what was received are skipped and counted.
  Result<std::optional<ReceivedPacket>> receive();

  std::uint64_t malformed() const;

 private:
  explicit AdvertisementSocket(std::string interface) : interface_(std::move(interface)) {}

  Status open_receivers(const RouterSettings& router);
  Status send_frame(ByteSpan frame);

  std::string interface_;
  std::vector<RawSocket> receivers_;  // on the interface, then on the macvlan
  std::array<int, 2> fds_{};
  std::size_t next_receiver_ = 0;
  std::optional<MacAddress> virtual_mac_;
  UniqueFd frames_;  // packet socket, with a virtual MAC only
  std::uint16_t identification_ = 0;
};

}  // namespace ftfw::vrrp
