// One side of an election: whoever speaks VRRP on a firewall of the lab, ours or another implementation. All
// are driven alike, so that every case can be told with either of them in either part.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "tests/netns/lab/lab.hpp"

namespace ftfw::interop {

// One virtual router on the reference network.
struct Leg {
  std::string interface;
  int id = 0;
  std::vector<std::string> addresses;  // in the order of the wire, without prefix length
};

// What both sides agree on.
struct Dialect {
  std::string name;  // "v3 IPv4"
  int version = 3;
  bool ipv6 = false;
  Duration interval = 100ms;
  std::string password;  // version 2; empty: no authentication
  std::vector<Leg> legs;
};

Dialect version_2();
Dialect version_2_without_password();
Dialect version_3_ipv4();
Dialect version_3_ipv6();
Dialect sync_group();

// RFC 3768 and RFC 9568 6.1.
Duration skew(const Dialect& dialect, int priority);
Duration down_interval(const Dialect& dialect, int priority);

struct Terms {
  Dialect dialect;
  int priority = 100;
  bool preempt = true;
};

class Speaker {
 public:
  Speaker(lab::Lab& lab, lab::Node node) : lab_(lab), node_(node) {}
  virtual ~Speaker() = default;
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  virtual std::string name() const = 0;
  // How much later than the others its first advertisement is seen, by a known weakness.
  virtual Duration late_claim(const Dialect&) const { return {}; }
  virtual void start(const Terms& terms) = 0;
  // Since its start it has joined the election (as a backup).
  virtual bool listening() = 0;
  // SIGTERM; true if it ended by itself in time.
  virtual bool stop() = 0;
  // SIGKILL of all its processes; the network stays.
  virtual void kill() = 0;
  // Its kernel answers for the virtual addresses: all of them (true), or for none (false).
  virtual bool holds_all() = 0;
  virtual bool holds_none() = 0;
  virtual std::string log() const = 0;

  // As when a machine loses its power: nothing it says after this reaches anybody.
  void crash();
  // The cables are in again, and what only a running machine knows is gone.
  void repair();
  lab::Node node() const { return node_; }

 protected:
  virtual void freeze() = 0;            // SIGSTOP of all its processes
  virtual void forget_addresses() = 0;  // those that a killed process left behind

  lab::Lab& lab_;
  lab::Node node_;
};

// How many of the dialect's addresses stand on the leg's own interface.
struct Held {
  std::size_t present = 0;
  std::size_t wanted = 0;
};
Held held_on_interfaces(lab::Lab& lab, lab::Node node, const Dialect& dialect);
void remove_from_interfaces(lab::Lab& lab, lab::Node node, const Dialect& dialect);

std::unique_ptr<Speaker> make_ours(lab::Lab& lab, lab::Node node);
std::unique_ptr<Speaker> make_keepalived(lab::Lab& lab, lab::Node node);
std::unique_ptr<Speaker> make_frr(lab::Lab& lab, lab::Node node);

}  // namespace ftfw::interop
