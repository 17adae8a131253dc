#include "config/node_choice.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace ftfw::config {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

Config pair() {
  Config config;
  config.nodes.push_back({.name = "fw-1", .replication_address = ip("192.168.100.100")});
  config.nodes.push_back({.name = "fw-2", .replication_address = ip("192.168.100.200")});
  return config;
}

TEST_CASE("a machine is the node whose replication address it has") {
  const std::vector machine{ip("127.0.0.1"), ip("192.168.2.2"), ip("192.168.100.200")};
  CHECK(recognise_node(pair(), machine, "").value() == 1);
}

TEST_CASE("a machine without it is the node that has its address of a further link") {
  Config config = pair();
  config.replication.further_links.push_back(
      {.interface = "eth3", .addresses = {ip("192.168.101.100"), ip("192.168.101.200")}});
  CHECK(recognise_node(config, std::vector{ip("192.168.101.200")}, "").value() == 1);
  CHECK(recognise_node(config, std::vector{ip("192.168.100.100"), ip("192.168.101.100")}, "").value() == 0);
  CHECK_FALSE(
      recognise_node(config, std::vector{ip("192.168.100.100"), ip("192.168.101.200")}, "").has_value());
}

TEST_CASE("--node decides without looking at addresses") {
  CHECK(recognise_node(pair(), {}, "fw-1").value() == 0);
  const std::vector machine{ip("192.168.100.200")};
  CHECK(recognise_node(pair(), machine, "fw-1").value() == 0);
}

TEST_CASE("a machine without a node's address is told all of them and --node") {
  const std::vector machine{ip("127.0.0.1")};
  const auto node = recognise_node(pair(), machine, "");
  REQUIRE_FALSE(node.has_value());
  CHECK(node.error().blame == Blame::configuration);
  CHECK(node.error().text ==
        "this machine has the replication address of no node: fw-1 (192.168.100.100), fw-2 "
        "(192.168.100.200); add "
        "the address to its interface, or say which node it is with --node NAME");
}

TEST_CASE("a machine with both addresses is not guessed") {
  const std::vector machine{ip("192.168.100.200"), ip("192.168.100.100")};
  const auto node = recognise_node(pair(), machine, "");
  REQUIRE_FALSE(node.has_value());
  CHECK(node.error().text.find("several nodes: fw-1 (192.168.100.100), fw-2 (192.168.100.200)") !=
        std::string::npos);
}

TEST_CASE("an unknown --node names those that exist") {
  const auto node = recognise_node(pair(), {}, "fw-3");
  REQUIRE_FALSE(node.has_value());
  CHECK(node.error().text == "--node 'fw-3': there is no such node; the file has fw-1 and fw-2");
}

}  // namespace
}  // namespace ftfw::config
