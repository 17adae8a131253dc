// Datagrams to and from the one peer: what a channel stands on. UdpSocket is the real one; tests put a lossy
// wire in its place.
#pragma once

#include <cstdint>
#include <optional>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"

namespace ftfw::sync {

class DatagramPort {
 public:
  virtual ~DatagramPort() = default;

  // Readable when receive() has something.
  virtual int fd() const = 0;
  // Never waits. An error means that this datagram was not sent: for the channel a loss like any other.
  virtual Status send(ByteSpan datagram) = 0;
  // The next datagram of the peer, valid until the next call; nothing when none is there.
  virtual std::optional<ByteSpan> receive() = 0;
  // Datagrams that came from another address or port and were not looked at.
  virtual std::uint64_t foreign() const = 0;
};

}  // namespace ftfw::sync
