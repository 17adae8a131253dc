// Advertisements of one leg on the wire: a raw IPPROTO_VRRP socket bound to one interface. Owned and used by
// one thread, never blocks. Invariants: what is sent leaves through that interface only, from the given
// address, with TTL 255 (RFC 9568 5.1.1); what is received reports the TTL and destination of its own IP
// header, and nothing is read beyond the received bytes. Source: raw(7), ip(7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"
#include "vrrp/reception.hpp"

namespace ftfw::vrrp {

class AdvertisementSocket {
 public:
  // The interface must exist. Needs CAP_NET_RAW and CAP_NET_ADMIN.
  static Result<AdvertisementSocket> open(const std::string& interface);

  int fd() const { return socket_.get(); }

  // After the interface was deleted and made again (another index): bind and join anew. Harmless otherwise.
  Status rejoin();

  // To 224.0.0.18. Blame::kernel with errno when the kernel refuses; EPERM: a packet filter drops it.
  Status send(ByteSpan packet, const IpAddress& source);

  // The next packet; nothing when none is waiting. Its payload is valid until the next call. Packets whose IP
  // header does not fit what was received are skipped and counted.
  Result<std::optional<ReceivedPacket>> receive();

  std::uint64_t malformed() const { return malformed_; }

 private:
  AdvertisementSocket(std::string interface, UniqueFd socket)
      : interface_(std::move(interface)), socket_(std::move(socket)) {}

  std::string interface_;
  UniqueFd socket_;
  int index_ = 0;
  std::uint64_t malformed_ = 0;
  // The largest version 2 advertisement (255 addresses) and the largest IP header, with room to notice
  // excess.
  std::array<std::uint8_t, 2048> buffer_{};
};

}  // namespace ftfw::vrrp
