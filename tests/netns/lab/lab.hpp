// The reference network on one machine: client, server and two firewalls as network namespaces, joined by the
// bridges br0, br1 and br2, which stand in a namespace of their own and carry no address: a packet of the
// client has no way to the server but through the firewall that holds the virtual addresses.
// Nothing of it is in the machine's first namespace, so labs can stand side by side, and nothing remains when
// the lab's process dies, however it dies. Needs root. Used by one thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/netns/lab/links.hpp"
#include "tests/netns/lab/net_namespace.hpp"
#include "tests/netns/lab/process.hpp"
#include "tests/netns/lab/scratch.hpp"

namespace ftfw::lab {

enum class Node { client, server, fw_1, fw_2, fw_3 };
std::string_view name_of(Node node);  // "client", "server", "fw-1", "fw-2", "fw-3"
Node other_firewall(Node firewall);   // of the two

// A third one (192.168.N.4, and 192.168.100.210) is an option.
enum class Firewalls { two, three };

// One cable of the reference network.
struct Leg {
  Node node;
  const char* interface;
  const char* bridge;
  const char* address;  // with prefix length
};
std::span<const Leg> legs();  // without the third firewall
// The bridge's end of a node's cable.
std::string bridge_port(Node node, const std::string& interface);

inline constexpr const char* kClientAddress = "192.168.2.3";
inline constexpr const char* kServerAddress = "192.168.0.3";
inline constexpr const char* kInsideVirtualAddress = "192.168.2.100";   // on eth1, the client's gateway
inline constexpr const char* kOutsideVirtualAddress = "192.168.0.100";  // on eth0, what the client becomes

enum class Way { from_node, to_node };

class Lab {
 public:
  // With IPv6 the firewalls and the client have also 2001:db8:2::N and fe80::N0 on br1, N as in 192.168.2.N.
  explicit Lab(Ipv6 ipv6 = Ipv6::off, Firewalls firewalls = Firewalls::two);

  const NetNamespace& network(Node node) const { return networks_.at(node); }
  const NetNamespace& bridges() const { return bridges_; }
  const ProcessSpace& processes() const { return processes_; }
  Links& links(Node node) { return links_.at(node); }
  Scratch& scratch() { return scratch_; }

  // Pulls and plugs the cable: the node's interface loses its carrier.
  void cut(Node node, const std::string& interface);
  void restore(Node node, const std::string& interface);
  void cut_all(Node node);
  void restore_all(Node node);
  // Drops this share of what comes from or goes to a node's interface, on the bridge, until lose_nothing().
  void lose(Node node, const std::string& interface, Way way, int per_mille);
  void lose_nothing();

  // What a machine forgets when it boots: its connections and its rules.
  void forget_kernel_state(Node node);

  // The output goes to `log` in the lab's directory, appended.
  Process start(Node node, const std::vector<std::string>& words, const std::string& log);
  Outcome run(Node node, const std::vector<std::string>& words, const std::string& input = {});
  // The same, but anything except exit code 0 ends the test.
  std::string run_well(Node node, const std::vector<std::string>& words, const std::string& input = {});

  // The whole of a file in the lab's directory; empty when there is none.
  std::string read_log(const std::string& log) const;

 private:
  void add_node(Node node, Ipv6 ipv6);
  void connect(const Leg& leg);

  Scratch scratch_;
  NetNamespace bridges_;
  Links bridge_links_;
  std::map<Node, NetNamespace> networks_;
  std::map<Node, Links> links_;
  // Declared last: its programs end before the network around them does.
  ProcessSpace processes_;
};

}  // namespace ftfw::lab
