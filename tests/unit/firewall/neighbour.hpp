// A machine next to the firewall under test: a network namespace of its own, held by a child process that
// does nothing else and dies with the test. What it does, the test does inside of it, in its own thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "appliance/base/address.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw::firewall::test {

class Neighbour {
 public:
  // The link is called `ours` here and eth0 there. Call it inside the firewall's namespace.
  explicit Neighbour(const std::string& ours);
  ~Neighbour();
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  void inside(const std::function<void()>& work) const;
  void run(const std::string& commands) const;

 private:
  pid_t holder_ = -1;
  UniqueFd own_;     // the firewall's namespace
  UniqueFd theirs_;  // the neighbour's
};

enum class Outcome { connected, refused, unreachable, silence };

// A TCP connection from the address (empty: any) to the address and port. Silence is what lasts kSilenceMs.
Outcome connect_to(const std::string& address, std::uint16_t port, const std::string& from = "");

// Listens on all addresses of the present namespace, TCP and IPv6 as well as IPv4.
UniqueFd listen_on(std::uint16_t port);
// The peer of the next connection that waits there.
std::string accepted_peer(const UniqueFd& listener);

// UDP: a socket bound to the port, one datagram to it from elsewhere, and whether one arrived.
UniqueFd receive_on(std::uint16_t port);
void send_to(const std::string& address, std::uint16_t port, const std::string& from = "");
bool has_arrived(const UniqueFd& receiver);

}  // namespace ftfw::firewall::test
