// Virtual addresses in the kernel, each with a lifetime (a lease): the kernel removes what is no longer
// renewed, however the process ends. An object is owned and used by one thread; several threads have one
// each. Invariants: every address carries IFA_PROTO kAddressProtocol and a lifetime, on every add and renewal
// (a renewal without it would erase it); an address without our protocol is never changed or removed. Through
// libnl-route, which in 3.7 has no IFA_PROTO: it is appended to the built message. Source:
// net/ipv4/devinet.c.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "vrrp/linux/address_protocol.hpp"

struct nl_sock;

namespace ftfw::vrrp {

struct VirtualAddress {
  std::string interface;
  IpPrefix address;

  auto operator<=>(const VirtualAddress&) const = default;
};

class VirtualAddresses {
 public:
  static Result<VirtualAddresses> open();

  // In one batch of messages (32 at a time); those of ours that stand already are renewed. All are tried, the
  // first refusal is returned. The lifetime is in whole seconds, the kernel ends it up to a second late.
  // Refuses, before anything is changed, if one of them is somebody else's address on this machine
  // (Blame::configuration, EEXIST).
  Status add(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime);

  // Sets the lifetime anew. The kernel re-creates an address that is gone: the caller must not renew what it
  // has let expire.
  Status renew(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime);

  // Those of ours that stand; what is gone already is no error.
  Status remove(std::span<const VirtualAddress> addresses);

  // What carries our protocol on these interfaces, whoever put it there (a former run of this program).
  Result<std::vector<VirtualAddress>> list_own(std::span<const std::string> interfaces);

 private:
  struct Close {
    void operator()(nl_sock* socket) const;
  };
  explicit VirtualAddresses(nl_sock* socket) : socket_(socket) {}

  std::unique_ptr<nl_sock, Close> socket_;
};

}  // namespace ftfw::vrrp
