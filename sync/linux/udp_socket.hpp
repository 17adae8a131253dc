// The UDP socket of the dedicated link: bound to the own replication address, port and interface; only what
// comes from the peer's address and port is handed on. Where there are several peers each has a socket of its
// own on the one port. Non-blocking, with forced large buffers. Used by one
// thread.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "appliance/base/address.hpp"
#include "appliance/base/unique_fd.hpp"
#include "sync/linux/datagram_port.hpp"

namespace ftfw::sync {

struct UdpSettings {
  IpAddress own_address;
  IpAddress peer_address;
  std::uint16_t port = 0;  // on both sides
  std::string interface;
  // Several sockets of this process share the port, one for each peer: each is connected, so that the kernel
  // gives it what its peer sends, and nothing else.
  bool shared_port = false;
};

class UdpSocket final : public DatagramPort {
 public:
  static Result<std::unique_ptr<UdpSocket>> open(const UdpSettings& settings);

  int fd() const override { return socket_.get(); }
  Status send(ByteSpan datagram) override;
  std::optional<ByteSpan> receive() override;
  std::uint64_t foreign() const override { return foreign_; }

 private:
  UdpSocket(UniqueFd socket, const UdpSettings& settings);
  bool is_peer(const sockaddr_storage& from) const;

  UniqueFd socket_;
  IpAddress peer_address_;
  std::uint16_t peer_port_;
  sockaddr_storage peer_{};
  socklen_t peer_length_ = 0;
  ByteVector buffer_;
  std::uint64_t foreign_ = 0;
};

}  // namespace ftfw::sync
