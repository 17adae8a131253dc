#include "tests/netns/lab/lab.hpp"

#include <fcntl.h>

#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

constexpr std::array kNodes{Node::client, Node::server, Node::fw_1, Node::fw_2};

constexpr std::array kLegs{
    Leg{Node::client, "eth0", "br1", "192.168.2.3/24"},
    Leg{Node::server, "eth0", "br0", "192.168.0.3/24"},
    Leg{Node::fw_1, "eth0", "br0", "192.168.0.1/24"},
    Leg{Node::fw_1, "eth1", "br1", "192.168.2.1/24"},
    Leg{Node::fw_1, "eth2", "br2", "192.168.100.100/24"},
    Leg{Node::fw_2, "eth0", "br0", "192.168.0.2/24"},
    Leg{Node::fw_2, "eth1", "br1", "192.168.2.2/24"},
    Leg{Node::fw_2, "eth2", "br2", "192.168.100.200/24"},
};

constexpr std::array kThirdLegs{
    Leg{Node::fw_3, "eth0", "br0", "192.168.0.4/24"},
    Leg{Node::fw_3, "eth1", "br1", "192.168.2.4/24"},
    Leg{Node::fw_3, "eth2", "br2", "192.168.100.210/24"},
};

std::span<const Leg> legs_with(Node node) {
  if (node == Node::fw_3) return kThirdLegs;
  return kLegs;
}

struct InsideAddress {
  Node node;
  const char* interface;
  const char* address;
};
constexpr std::array kIpv6Addresses{
    InsideAddress{Node::client, "eth0", "2001:db8:2::3/64"},
    InsideAddress{Node::client, "eth0", "fe80::30/64"},
    InsideAddress{Node::fw_1, "eth1", "2001:db8:2::1/64"},
    InsideAddress{Node::fw_1, "eth1", "fe80::10/64"},
    InsideAddress{Node::fw_2, "eth1", "2001:db8:2::2/64"},
    InsideAddress{Node::fw_2, "eth1", "fe80::20/64"},
};

}  // namespace

std::string_view name_of(Node node) {
  switch (node) {
    case Node::client:
      return "client";
    case Node::server:
      return "server";
    case Node::fw_1:
      return "fw-1";
    case Node::fw_2:
      return "fw-2";
    case Node::fw_3:
      return "fw-3";
  }
  std::unreachable();
}

Node other_firewall(Node firewall) {
  return firewall == Node::fw_1 ? Node::fw_2 : Node::fw_1;
}

std::span<const Leg> legs() {
  return kLegs;
}

std::string bridge_port(Node node, const std::string& interface) {
  return std::string(name_of(node)) + "-" + interface;
}

Lab::Lab(Ipv6 ipv6, Firewalls firewalls) : bridges_(NetNamespace::create()), bridge_links_(bridges_) {
  for (const Node node : kNodes) add_node(node, ipv6);
  for (const char* bridge : {"br0", "br1", "br2"}) {
    bridge_links_.add_bridge(bridge);
    bridge_links_.set_up(bridge);
  }
  for (const Leg& leg : kLegs) connect(leg);
  if (firewalls == Firewalls::three) {
    add_node(Node::fw_3, ipv6);
    for (const Leg& leg : kThirdLegs) connect(leg);
  }
  if (ipv6 == Ipv6::on) {
    for (const auto& [node, interface, address] : kIpv6Addresses) links(node).add_address(interface, address);
  }
  links(Node::client).add_default_route(kInsideVirtualAddress);
}

void Lab::add_node(Node node, Ipv6 ipv6) {
  const auto made = networks_.emplace(node, NetNamespace::create(ipv6)).first;
  links_.emplace(node, Links(made->second));
}

void Lab::connect(const Leg& leg) {
  const std::string port = bridge_port(leg.node, leg.interface);
  bridge_links_.add_cable(port, leg.bridge, network(leg.node), leg.interface);
  bridge_links_.set_up(port);
  links(leg.node).add_address(leg.interface, leg.address);
  links(leg.node).set_up(leg.interface);
}

void Lab::cut(Node node, const std::string& interface) {
  bridge_links_.set_down(bridge_port(node, interface));
}

void Lab::restore(Node node, const std::string& interface) {
  bridge_links_.set_up(bridge_port(node, interface));
}

void Lab::cut_all(Node node) {
  for (const Leg& leg : legs_with(node)) {
    if (leg.node == node) cut(node, leg.interface);
  }
}

void Lab::restore_all(Node node) {
  for (const Leg& leg : legs_with(node)) {
    if (leg.node == node) restore(node, leg.interface);
  }
}

void Lab::lose(Node node, const std::string& interface, Way way, int per_mille) {
  const std::string match = way == Way::from_node ? "iifname" : "oifname";
  std::ostringstream rules;
  rules << "table bridge loss {\n chain forward { type filter hook forward priority 0; policy accept; }\n}\n"
        << "add rule bridge loss forward " << match << " \"" << bridge_port(node, interface) << "\" ";
  // A comparison with all of the range is refused.
  if (per_mille < 1000) rules << "numgen random mod 1000 < " << per_mille << " ";
  rules << "drop\n";
  const Outcome loaded = lab::run(processes_, bridges_, {"nft", "-f", "-"}, rules.str());
  if (loaded.exit_code != 0) give_up("nft: " + loaded.errors);
}

void Lab::lose_nothing() {
  lab::run(processes_, bridges_, {"nft", "flush", "ruleset"});
}

void Lab::forget_kernel_state(Node node) {
  run_well(node, {"nft", "flush", "ruleset"});
  run_well(node, {"conntrack", "-F"});
}

Process Lab::start(Node node, const std::vector<std::string>& words, const std::string& log) {
  const std::string path = scratch_.path() / log;
  const UniqueFd output(
      checked(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), "open a log"));
  return Process::start(processes_, network(node), {words, -1, output.get()});
}

Outcome Lab::run(Node node, const std::vector<std::string>& words, const std::string& input) {
  return lab::run(processes_, network(node), words, input);
}

std::string Lab::run_well(Node node, const std::vector<std::string>& words, const std::string& input) {
  Outcome outcome = run(node, words, input);
  if (outcome.exit_code != 0)
    give_up(words.at(0) + " on " + std::string(name_of(node)) + ": " + outcome.errors);
  return std::move(outcome.output);
}

std::string Lab::read_log(const std::string& log) const {
  const std::ifstream file(scratch_.path() / log);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ftfw::lab
