// One netlink socket over libmnl, owned by one thread: forced buffers (CAP_NET_ADMIN), extended
// acknowledgements, capped acknowledgements, receive with sender check (only the kernel, port id 0, is
// believed; anything else is dropped and counted).
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"

struct mnl_socket;
struct nlmsghdr;

namespace ftfw {

class NetlinkSocket {
 public:
  struct Options {
    int bus = 0;                   // NETLINK_NETFILTER, NETLINK_ROUTE
    unsigned groups = 0;           // legacy group mask; further groups with join()
    int receive_buffer_bytes = 0;  // 0: the kernel's default; otherwise SO_RCVBUFFORCE
    int send_buffer_bytes = 0;     // likewise SO_SNDBUFFORCE
    bool blocking = true;          // false: receive() returns 0 bytes when nothing is there
  };

  static Result<NetlinkSocket> open(const Options& options);

  NetlinkSocket(NetlinkSocket&&) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) noexcept;
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;
  ~NetlinkSocket();

  int fd() const;
  std::uint32_t port_id() const;
  Status join(int group);

  // One datagram, which may hold many messages. Blame::kernel with errno on refusal.
  Status send(ByteSpan messages);

  // The next datagram into buffer. 0: nothing there (non-blocking). ENOBUFS (messages were lost) is an error
  // with code ENOBUFS; the socket stays usable. Sizes: give at least 32 KiB for dumps, or the tail is lost
  // (reported as EMSGSIZE).
  Result<std::size_t> receive(std::span<std::uint8_t> buffer);

  std::uint64_t dropped_foreign_senders() const { return foreign_; }

 private:
  explicit NetlinkSocket(mnl_socket* socket) : socket_(socket) {}

  mnl_socket* socket_ = nullptr;
  std::uint64_t foreign_ = 0;
};

// Calls handler for every complete message in bytes; a truncated rest is ignored. The handler returns false
// to stop. Returns false if it was stopped.
bool for_each_message(ByteSpan bytes, const std::function<bool(const nlmsghdr&)>& handler);

}  // namespace ftfw
