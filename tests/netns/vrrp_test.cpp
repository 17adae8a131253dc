// What the election's options do to a real machine: addresses that are put back, routes that follow, virtual
// MACs, tracked interfaces and files, unicast. The real program in the lab's namespaces.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr const char* kInsideRouter = "interface = \"eth1\"\nid = 61\n";

// Lines more for the inside virtual router, or a section more before [node.fw-1].
void add_to_inside_router(DaemonBench& b, const std::string& lines) {
  b.configuration = edited(b.lab, b.configuration, kInsideRouter, kInsideRouter + lines);
}
void add_section(DaemonBench& b, const std::string& section) {
  b.configuration = edited(b.lab, b.configuration, "[node.fw-1]", section + "\n[node.fw-1]");
}
void use_configuration(DaemonBench& b) {
  b.fw_1.configure(b.configuration);
  b.fw_2.configure(b.configuration);
}

// The MAC that the client knows for its gateway; empty when it knows none.
std::string gateway_mac(DaemonBench& b) {
  const std::string line =
      b.lab.run_well(Node::client, {"ip", "neighbour", "show", kInsideVirtualAddress, "dev", "eth0"});
  const auto at = line.find("lladdr ");
  return at == std::string::npos ? "" : line.substr(at + 7, 17);
}

bool client_reaches(DaemonBench& b, const std::string& address) {
  return b.lab.run(Node::client, {"ping", "-c", "1", "-W", "1", address}).exit_code == 0;
}
bool client_reaches_server(DaemonBench& b) {
  return client_reaches(b, kServerAddress);
}

// The outside gets IPv6 too, and both networks get virtual addresses of it; `option` stands in the inside
// router.
void add_ipv6(DaemonBench& b, const std::string& option) {
  b.lab.links(Node::server).add_address("eth0", "2001:db8::3/64");
  b.lab.links(Node::fw_1).add_address("eth0", "fe80::1/64");
  b.lab.links(Node::fw_2).add_address("eth0", "fe80::2/64");
  b.lab.run_well(Node::server,
                 {"ip", "-6", "route", "add", "2001:db8:2::/64", "via", "fe80::200", "dev", "eth0"});
  b.lab.run_well(Node::client, {"ip", "-6", "route", "add", "default", "via", "fe80::100", "dev", "eth0"});
  add_section(b,
              "[[sync_group.virtual_router]]\nname = \"inside-6\"\ninterface = \"eth1\"\nid = 61\n"
              "addresses = [\"fe80::100/64\", \"2001:db8:2::100/64\"]\n" +
                  option +
                  "[[sync_group.virtual_router]]\nname = \"outside-6\"\ninterface = \"eth0\"\nid = 62\n"
                  "addresses = [\"fe80::200/64\", \"2001:db8::100/64\"]\n");
  b.configuration = edited(b.lab, b.configuration, "[[firewall.helper]]",
                           "[[firewall.allow]]\nprotocol = \"icmpv6\"\n\n[[firewall.helper]]");
  use_configuration(b);
}

constexpr const char* kIpv6Server = "2001:db8::3";

std::size_t routes_of_ours(DaemonBench& b, Node node) {
  const std::string listed = b.lab.run_well(node, {"ip", "route", "show", "proto", "247"});
  return static_cast<std::size_t>(std::ranges::count(listed, '\n'));
}

}  // namespace

TEST_CASE("a virtual address that somebody deletes is put back at once, counted, and no reason to demote") {
  DaemonBench b;
  b.start_pair();
  const std::string since = b.status(Node::fw_1)["since"].dump();

  b.lab.run_well(Node::fw_1, {"ip", "address", "delete", "192.168.2.100/32", "dev", "eth1"});

  // Sooner than the lease's own renewal, which comes every second.
  CHECK(wait_until(500ms, [&] { return b.fw_1.holding() == Holding::all; }));
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["put_back"] == 1; }));
  CHECK(b.has_alarm(Node::fw_1, "192.168.2.100"));
  CHECK(b.status(Node::fw_1)["since"].dump() == since);
  CHECK(b.fw_2.holding() == Holding::none);
}

TEST_CASE("virtual routes stand on the primary only, follow a takeover and are put back") {
  DaemonBench b;
  add_section(b,
              "[[sync_group.route]]\nto = \"default\"\nvia = \"192.168.0.3\"\n\n"
              "[[sync_group.route]]\nto = \"10.9.0.0/16\"\ninterface = \"eth0\"\nmetric = 7\ntable = 200\n");
  use_configuration(b);
  b.start_pair();
  CHECK(routes_of_ours(b, Node::fw_1) == 1);
  CHECK(b.lab.run_well(Node::fw_1, {"ip", "route", "show", "table", "200"}).contains("metric 7"));
  CHECK(routes_of_ours(b, Node::fw_2) == 0);

  b.lab.run_well(Node::fw_1, {"ip", "route", "delete", "default"});
  CHECK(wait_until(500ms, [&] { return routes_of_ours(b, Node::fw_1) == 1; }));
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["put_back"] == 1; }));

  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(b.wait_role(Node::fw_2, "primary"));
  CHECK(wait_until(kElection, [&] { return routes_of_ours(b, Node::fw_2) == 1; }));
  CHECK(routes_of_ours(b, Node::fw_1) == 0);
}

TEST_CASE("with a virtual MAC the gateway keeps its hardware address through a takeover and back") {
  DaemonBench b;
  add_to_inside_router(b, "virtual_mac = true\n");
  use_configuration(b);
  b.start_pair();
  REQUIRE(wait_until(kElection, [&] { return client_reaches_server(b); }));
  CHECK(gateway_mac(b) == "00:00:5e:00:01:3d");

  b.fw_1.kill();
  b.lab.cut_all(Node::fw_1);
  CHECK(b.wait_role(Node::fw_2, "primary"));
  CHECK(wait_until(kElection, [&] { return client_reaches_server(b); }));
  CHECK(gateway_mac(b) == "00:00:5e:00:01:3d");

  b.lab.restore_all(Node::fw_1);
  b.fw_1.start();
  CHECK(b.wait_role(Node::fw_1, "primary", 30s));
  CHECK(b.wait_role(Node::fw_2, "backup"));
  CHECK(wait_until(kElection, [&] { return client_reaches_server(b); }));
  CHECK(gateway_mac(b) == "00:00:5e:00:01:3d");
  // The macvlan goes with the daemon.
  CHECK(b.fw_2.terminate(kStop) == 0);
  CHECK_FALSE(b.lab.run_well(Node::fw_2, {"ip", "link", "show"}).contains("vrrp.61"));
}

TEST_CASE("a strict reverse path filter for all interfaces moves to each, and back when the daemon ends") {
  DaemonBench b;
  add_to_inside_router(b, "virtual_mac = true\n");
  use_configuration(b);
  const auto filter = [&b](const std::string& interface) {
    return get_sysctl(b.lab.network(Node::fw_1), "net/ipv4/conf/" + interface + "/rp_filter");
  };
  set_sysctl(b.lab.network(Node::fw_1), "net/ipv4/conf/all/rp_filter", "1");
  set_sysctl(b.lab.network(Node::fw_1), "net/ipv4/conf/eth0/rp_filter", "0");
  b.start_pair();
  CHECK(wait_until(kElection, [&] { return client_reaches_server(b); }));
  CHECK(filter("all") == "0");
  CHECK(filter("eth0") == "1");
  // Also after a crash, when only the file remembers.
  b.fw_1.kill();
  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary", 30s));
  CHECK(filter("eth1") == "1");
  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(filter("all") == "1");
  CHECK(filter("eth0") == "0");
}

TEST_CASE("two primaries of one virtual MAC hear each other and one of them steps down") {
  DaemonBench b;
  add_to_inside_router(b, "virtual_mac = true\n");
  use_configuration(b);
  b.start_pair();
  // Both sides stop hearing each other everywhere, then hear each other again.
  b.lab.cut_all(Node::fw_2);
  REQUIRE(b.wait_role(Node::fw_2, "fault"));
  b.lab.lose(Node::fw_1, "eth1", Way::from_node, 1000);
  b.lab.restore_all(Node::fw_2);
  CHECK(b.wait_role(Node::fw_2, "backup"));
  b.lab.lose_nothing();
  CHECK(b.wait_role(Node::fw_1, "primary"));
  CHECK(b.fw_2.holding() == Holding::none);
}

TEST_CASE("a tracked interface without weight puts the group in fault, one with weight lowers the priority") {
  DaemonBench b;
  b.lab.run_well(Node::fw_1, {"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "far"});
  b.lab.run_well(Node::fw_2, {"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "far"});
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    b.lab.run_well(node, {"ip", "link", "set", "uplink", "up"});
    b.lab.run_well(node, {"ip", "link", "set", "far", "up"});
  }
  SUBCASE("fault") {
    add_section(b, "[[sync_group.track_interface]]\ninterface = \"uplink\"\n");
    use_configuration(b);
    b.start_pair();
    b.lab.run_well(Node::fw_1, {"ip", "link", "set", "far", "down"});
    CHECK(b.wait_role(Node::fw_1, "fault"));
    CHECK(b.wait_role(Node::fw_2, "primary"));
    CHECK(b.status(Node::fw_1)["cause"].get<std::string>().contains("uplink"));
    b.lab.run_well(Node::fw_1, {"ip", "link", "set", "far", "up"});
    CHECK(b.wait_role(Node::fw_1, "primary", 30s));
  }
  SUBCASE("weight") {
    add_section(b, "[[sync_group.track_interface]]\ninterface = \"uplink\"\nweight = -30\n");
    use_configuration(b);
    b.start_pair();
    b.lab.run_well(Node::fw_1, {"ip", "link", "set", "far", "down"});
    CHECK(b.wait_role(Node::fw_2, "primary"));
    CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["sync_group"]["priority"] == 70; }));
    CHECK(b.wait_role(Node::fw_1, "backup"));
  }
}

TEST_CASE("a tracked file is the maintenance switch: a number in it moves the role, and back") {
  DaemonBench b;
  const std::string path = (b.lab.scratch().path() / "maintenance").string();
  add_section(b, "[[sync_group.track_file]]\nfile = \"" + path + "\"\nweight = 1\n");
  // One file for both nodes here: fw-1 loses 50 of its 100, fw-2 of its 80 stays above the floor; so fw-2
  // gets a file of its own that never exists.
  b.fw_1.configure(b.configuration);
  b.fw_2.configure(edited(b.lab, b.configuration, "/maintenance", "/none"));
  b.start_pair();

  std::ofstream(path) << "-50\n" << std::flush;
  CHECK(b.wait_role(Node::fw_2, "primary"));
  CHECK(b.wait_role(Node::fw_1, "backup"));
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["sync_group"]["priority"] == 50; }));
  const Json group = b.status(Node::fw_1)["sync_group"];
  CHECK(group["configured_priority"] == 100);
  CHECK(group["tracked_files"][0]["file"] == path);
  CHECK(group["tracked_files"][0]["value"] == -50);

  std::ofstream(path) << "nonsense\n" << std::flush;
  CHECK(wait_until(kElection, [&] { return b.has_alarm(Node::fw_1, "not one integer"); }));
  CHECK(b.status(Node::fw_1)["sync_group"]["priority"] == 50);

  REQUIRE(std::filesystem::remove(path));
  CHECK(b.wait_role(Node::fw_1, "primary", 30s));
  CHECK(b.wait_role(Node::fw_2, "backup"));
}

TEST_CASE("unicast peers elect and take over without a multicast packet on the wire") {
  DaemonBench b;
  b.configuration = edited(b.lab, b.configuration, kInsideRouter,
                           std::string(kInsideRouter) + "unicast = [\"192.168.2.1\", \"192.168.2.2\"]\n");
  b.configuration = edited(b.lab, b.configuration, "interface = \"eth0\"\nid = 62\n",
                           "interface = \"eth0\"\nid = 62\nunicast = [\"192.168.0.1\", \"192.168.0.2\"]\n");
  use_configuration(b);
  // Whatever is sent to the group is lost on the bridge.
  run(b.lab.processes(), b.lab.bridges(), {"nft", "-f", "-"},
      "table bridge groups {\n chain forward {\n"
      "  type filter hook forward priority 0; policy accept;\n"
      "  ip daddr 224.0.0.18 counter drop\n }\n}\n");
  b.start_pair();
  CHECK(b.fw_2.holding() == Holding::none);
  CHECK(b.wait_status(Node::fw_2, [](const Json& now) {
    return now["sync_group"]["virtual_routers"][0]["active"] == "192.168.2.1";
  }));
  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(b.wait_role(Node::fw_2, "primary"));
  CHECK(run(b.lab.processes(), b.lab.bridges(), {"nft", "list", "ruleset"})
            .output.contains("counter packets 0 "));
}

TEST_CASE("IPv6 virtual addresses move with the others, through a takeover and back") {
  for (const bool virtual_mac : {false, true}) {
    CAPTURE(virtual_mac);
    DaemonBench b({}, Ipv6::on);
    add_ipv6(b, virtual_mac ? "virtual_mac = true\n" : "");
    b.start_pair();
    REQUIRE(wait_until(kElection, [&] { return client_reaches(b, kIpv6Server); }));
    CHECK(client_reaches(b, "2001:db8:2::100"));

    b.fw_1.kill();
    b.lab.cut_all(Node::fw_1);
    CHECK(b.wait_role(Node::fw_2, "primary"));
    CHECK(wait_until(kElection, [&] { return client_reaches(b, kIpv6Server); }));
    CHECK(wait_until(kElection, [&] { return client_reaches_server(b); }));

    b.lab.restore_all(Node::fw_1);
    b.fw_1.start();
    CHECK(b.wait_role(Node::fw_1, "primary", 30s));
    CHECK(b.wait_role(Node::fw_2, "backup"));
    CHECK(wait_until(kElection, [&] { return client_reaches(b, kIpv6Server); }));
    const std::string standing = b.lab.run_well(Node::fw_2, {"ip", "-6", "address", "show"});
    CHECK_FALSE(standing.contains("fe80::100"));
    CHECK_FALSE(standing.contains("2001:db8:2::100"));
  }
}
