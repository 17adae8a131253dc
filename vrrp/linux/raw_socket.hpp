// One raw IPPROTO_VRRP socket of one family, bound to one interface. Owned and used by one thread, never
// blocks. Invariants: what is sent leaves through that interface only, from the given address, with TTL 255
// (RFC 9568 5.1.1.3, 5.1.2.3); what is received reports the TTL and the destination of its own IP header, and
// nothing is read beyond the received bytes. Source: raw(7), ip(7), ipv6(7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"
#include "vrrp/reception.hpp"

namespace ftfw::vrrp {

struct RawSocketOptions {
  std::string interface;
  Family family = Family::ipv4;
  bool joins_group = true;                       // false: unicast only
  std::optional<MacAddress> only_from_mac = {};  // of the Ethernet header; none: from anybody
};

class RawSocket {
 public:
  // The interface must exist. Needs CAP_NET_RAW and CAP_NET_ADMIN.
  static Result<RawSocket> open(RawSocketOptions options);

  int fd() const { return socket_.get(); }
  Family family() const { return options_.family; }
  int index() const { return index_; }  // of the interface when it was last joined

  // After the interface was deleted and made again (another index): bind and join anew. Harmless otherwise.
  Status rejoin();

  // To the group of the family or to one host. Blame::kernel with errno when the kernel refuses; EPERM: a
  // packet filter drops it; EINVAL: an IPv6 source that is still tentative.
  Status send(ByteSpan packet, const IpAddress& source, const IpAddress& destination);

  // The next packet; nothing when none is waiting. Its payload is valid until the next call. Packets whose IP
  // header does not fit what was received are skipped and counted; without the group also what is sent to
  // groups.
  Result<std::optional<ReceivedPacket>> receive();

  std::uint64_t malformed() const { return malformed_; }

 private:
  RawSocket(RawSocketOptions options, UniqueFd socket)
      : options_(std::move(options)), socket_(std::move(socket)) {}

  Status join(int index);

  RawSocketOptions options_;
  UniqueFd socket_;
  int index_ = 0;
  std::uint64_t malformed_ = 0;
  // The largest advertisement (255 IPv6 addresses) and the largest IPv4 header, with room to notice excess.
  std::array<std::uint8_t, 8192> buffer_{};
};

}  // namespace ftfw::vrrp
