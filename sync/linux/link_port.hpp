// The port of one dedicated link, which outlives what happens to it: its interface is deleted and made again,
// its address comes later (a machine that boots, IPv6 duplicate address detection). Owned by the replication
// thread. Invariant: fd() stays the same for ever (an epoll descriptor around the socket of the moment).
// Without a socket nothing is heard and what is sent is lost, as on a cut line.
//
// It is looked after by maintain(), ten times a second: two small ioctls. Events of rtnetlink would come
// sooner, but some can be lost, and a port that another program has just left sends none.
#pragma once

#include <memory>
#include <string>

#include "appliance/base/unique_fd.hpp"
#include "sync/linux/udp_socket.hpp"

namespace ftfw::sync {

class LinkPort final : public DatagramPort {
 public:
  enum class State : std::uint8_t {
    open,
    no_carrier,    // open, and the line is dead
    no_interface,  // deleted since the start
    no_address,    // not an address of this machine, or not yet
    refused,       // by the kernel, for another reason: trouble() says which
  };

  // At the start a missing address is waited for; everything else is an error: ENODEV, EADDRINUSE, EPERM ...
  static Result<std::unique_ptr<LinkPort>> open(UdpSettings settings);

  // Takes notice of the interface, and opens the socket again where it must.
  void maintain();
  State state() const { return state_; }
  // Why it is not open, for people.
  const std::string& trouble() const { return trouble_; }

  int fd() const override { return epoll_.get(); }
  Status send(ByteSpan datagram) override;
  std::optional<ByteSpan> receive() override;
  std::uint64_t foreign() const override;

 private:
  LinkPort(UdpSettings settings, UniqueFd epoll, UniqueFd query);
  Status reopen();
  void drop_socket();
  int interface_index() const;
  bool has_carrier() const;

  UdpSettings settings_;
  UniqueFd epoll_;
  UniqueFd query_;  // any socket: ioctls of an interface need one
  std::unique_ptr<UdpSocket> socket_;
  int bound_index_ = 0;  // of the interface that the socket is bound to
  State state_ = State::no_address;
  std::string trouble_;
  std::uint64_t foreign_before_ = 0;  // counted by sockets that are gone
};

}  // namespace ftfw::sync
