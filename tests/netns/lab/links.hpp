// The few requests to rtnetlink that build and disturb a network, through libnl-route. One object speaks for
// one namespace; its socket belongs to that namespace, so any thread may use it (one at a time).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/netns/lab/net_namespace.hpp"

struct nl_sock;

namespace ftfw::lab {

class Links {
 public:
  explicit Links(const NetNamespace& space);
  Links(Links&&) noexcept;
  Links& operator=(Links&&) noexcept;
  ~Links();

  void add_bridge(const std::string& name);
  // A pair of which `name` is here, a port of `bridge`, and `peer_name` stands in the other namespace.
  void add_cable(const std::string& name, const std::string& bridge, const NetNamespace& peer,
                 const std::string& peer_name);
  void set_up(const std::string& name) { set_state(name, true); }
  // The other end of a veth pair loses its carrier, as if the cable were pulled.
  void set_down(const std::string& name) { set_state(name, false); }
  // "192.168.2.3/24", "fe80::1/64"
  void add_address(const std::string& name, const std::string& address);
  // Every address of the interface with this host part, "192.168.2.100"; nothing if there is none.
  void remove_address(const std::string& name, const std::string& address);
  void add_default_route(const std::string& gateway);
  bool is_running(const std::string& name);
  // The addresses of an interface (without prefix length), each with the seconds the kernel keeps it.
  std::map<std::string, std::uint32_t> addresses(const std::string& name);

 private:
  void set_state(const std::string& name, bool up);
  int index_of(const std::string& name);

  nl_sock* socket_ = nullptr;
};

}  // namespace ftfw::lab
