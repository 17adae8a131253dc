// The firewall as an administrator meets it: the guard before there is a daemon, which rule decides, policies
// that would cut the pair itself. The real programs in the lab's namespaces.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

// One echo from the client to the server and back, within a second.
bool reaches_server(Lab& lab) {
  return lab.run(Node::client, {"ping", "-n", "-c", "1", "-W", "1", kServerAddress}).exit_code == 0;
}

Outcome ask(DaemonBench& b, Node node, const std::vector<std::string>& words) {
  std::vector<std::string> command{control_program().string(), "--socket",
                                   b.daemon(node).control_socket().string()};
  command.insert(command.end(), words.begin(), words.end());
  return b.lab.run(node, command);
}

constexpr const char* kWeb = "tcp 192.168.2.3 > 192.168.0.3:443 in eth1";

}  // namespace

TEST_CASE(
    "--load-guard before any daemon -> nothing is forwarded; again -> the same; then a daemon takes over") {
  DaemonBench b;
  const std::vector<std::string> load{
      appliance_program().string(), "--load-guard",     "--config",
      b.configuration.string(),     "--control-socket", b.fw_1.control_socket().string()};
  b.lab.run_well(Node::fw_1, {"ip", "address", "add", "192.168.2.100/24", "dev", "eth1"});
  b.lab.run_well(Node::fw_1, {"ip", "address", "add", "192.168.0.100/24", "dev", "eth0"});
  b.lab.run_well(Node::server, {"ip", "route", "replace", "192.168.2.0/24", "via", kOutsideVirtualAddress});
  set_sysctl(b.lab.network(Node::fw_1), "net/ipv4/ip_forward", "1");
  REQUIRE(wait_until(kElection, [&] { return reaches_server(b.lab); }));

  for (int round = 0; round < 2; ++round) {
    const Outcome loaded = b.lab.run(Node::fw_1, load);
    CAPTURE(loaded.errors);
    CHECK(loaded.exit_code == 0);
    CHECK(b.is_closed(Node::fw_1));
    CHECK_FALSE(reaches_server(b.lab));
  }

  b.lab.run_well(Node::fw_1, {"ip", "address", "delete", "192.168.2.100/24", "dev", "eth1"});
  b.lab.run_well(Node::fw_1, {"ip", "address", "delete", "192.168.0.100/24", "dev", "eth0"});
  b.fw_1.start({"--role", "primary"});
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  CHECK(wait_until(kElection, [&] { return reaches_server(b.lab); }));
  const Outcome late = b.lab.run(Node::fw_1, load);
  CHECK(late.exit_code == 0);
  CHECK(late.output.contains("nothing is changed"));
  CHECK_FALSE(b.is_closed(Node::fw_1));
}

TEST_CASE("--load-guard with a configuration in error -> exit code 2 and closed all the same") {
  DaemonBench b;
  const auto broken = edited(b.lab, b.configuration, "name = \"G1\"", "name = \"G1");
  const Outcome loaded =
      b.lab.run(Node::fw_1, {appliance_program().string(), "--load-guard", "--config", broken.string(),
                             "--control-socket", b.fw_1.control_socket().string()});
  CHECK(loaded.exit_code == 2);
  CHECK(loaded.errors.contains("the guard is up without virtual addresses"));
  CHECK(b.is_closed(Node::fw_1));
}

TEST_CASE("ftfwctl explain -> the rule, its line and the NAT on the primary, the guard on the backup") {
  DaemonBench b;
  b.start_pair();

  const Outcome primary = ask(b, Node::fw_1, {"explain", kWeb});
  CAPTURE(primary.output);
  CHECK(primary.exit_code == 0);
  CHECK(primary.output.contains("as primary (what this node is now): forwarded"));
  CHECK(primary.output.contains("ports = [21, 22, 80, 443]"));
  CHECK(primary.output.contains("tcp 192.168.0.100:40000 > 192.168.0.3:443"));
  const Outcome backup = ask(b, Node::fw_2, {"explain", kWeb});
  CHECK(backup.output.contains("as standby (what this node is now): dropped"));
  const Outcome local = ask(b, Node::fw_1, {"explain", "tcp 192.168.2.3 > 192.168.2.100:22 in eth1"});
  CHECK(local.output.contains("as primary (what this node is now): reaches this machine"));
  const Outcome wrong = ask(b, Node::fw_1, {"explain", "tcp 192.168.2.3 > 192.168.0.3:443 into eth1"});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.errors.contains("'into' is not known here"));
}

TEST_CASE("a source NAT that would translate the advertisements -> exit code 2 and the line of the rule") {
  DaemonBench b;
  b.fw_1.configure(edited(b.lab, b.configuration, "source = \"192.168.2.3\"", "source = \"any\""));
  const Outcome refused = b.fw_1.try_start();
  CAPTURE(refused.errors);
  CHECK(refused.exit_code == 2);
  CHECK(refused.errors.contains("this translates the advertisements of 192.168.0."));
  CHECK(refused.errors.contains("that leave on eth0"));
}

TEST_CASE("ftfwctl rules -> the kernel's rules with their counters and lines") {
  DaemonBench b;
  b.fw_1.configure(edited(b.lab, b.configuration, "forward_policy = \"drop\"",
                          "forward_policy = \"drop\"\ncounters = true"));
  b.fw_1.start({"--role", "primary"});
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  REQUIRE(wait_until(kElection, [&] { return reaches_server(b.lab); }));

  const Outcome text = ask(b, Node::fw_1, {"rules"});
  CAPTURE(text.output);
  CHECK(text.exit_code == 0);
  CHECK(text.output.contains("table inet ftfw (awake)"));
  CHECK(text.output.contains("counter counter_exp: 0 packets, 0 bytes"));
  CHECK(text.output.contains("udp dport 53 ct state new counter packets 0 bytes 0 accept  # "));
  const Json json = Json::parse(ask(b, Node::fw_1, {"rules", "--json"}).output);
  bool counted = false;
  for (const Json& table : json["tables"]) {
    for (const Json& chain : table["chains"]) {
      CHECK(chain["as_given"] == true);
      for (const Json& rule : chain["rules"]) {
        const bool ping = rule["rule"].get<std::string>().starts_with("icmp type echo-request");
        if (ping) counted = rule["counter"]["packets"] >= 1 && rule["line"] > 0;
      }
    }
  }
  CHECK(counted);
}
