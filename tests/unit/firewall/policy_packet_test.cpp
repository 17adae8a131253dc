// What the policy does to real packets: for each construct one that passes and one that does not, between a
// client on eth1 and a server on eth0.
#include <doctest/doctest.h>

#include <memory>
#include <optional>

#include "firewall/linux/loader.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/neighbour.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;
using test::Outcome;

namespace {

constexpr const char* kServer = "192.168.0.3";
constexpr const char* kServer6 = "fd00:1::3";
constexpr const char* kClient = "192.168.2.3";
constexpr const char* kOtherClient = "192.168.2.66";

// Client -- eth1, firewall, eth0 -- server. The server's ports 22, 23, 80, 443 are open.
struct Network {
  std::unique_ptr<test::Neighbour> client = std::make_unique<test::Neighbour>("eth1");
  std::unique_ptr<test::Neighbour> server = std::make_unique<test::Neighbour>("eth0");
  std::optional<Loader> loader;
  UniqueFd ssh, telnet, web, tls;

  Network() {
    test::run(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 "
        "net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0; "
        "ip address add 192.168.2.100/24 dev eth1; ip address add 192.168.0.100/24 dev eth0; "
        "ip -6 address add fd00:2::100/64 dev eth1 nodad; ip -6 address add fd00:1::100/64 dev eth0 nodad");
    client->run(
        "ip address add 192.168.2.3/24 dev eth0; ip address add 192.168.2.66/24 dev eth0; "
        "ip address add 10.99.0.1/32 dev lo; ip -6 address add fd00:2::3/64 dev eth0 nodad; "
        "ip route add default via 192.168.2.100; ip -6 route add default via fd00:2::100");
    server->run(
        "ip address add 192.168.0.3/24 dev eth0; ip -6 address add fd00:1::3/64 dev eth0 nodad; "
        "ip route add default via 192.168.0.100; ip -6 route add default via fd00:1::100");
    server->inside([this] {
      ssh = test::listen_on(22);
      telnet = test::listen_on(23);
      web = test::listen_on(80);
      tls = test::listen_on(443);
    });
  }

  void apply(const std::string& policy) {
    const config::Config config = test::config_of(policy);
    if (!loader) loader = *Loader::open(build_guard(config));
    const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
    REQUIRE(loader->stand_by(ruleset));
    REQUIRE(loader->activate(ruleset, false));
  }

  Outcome tcp(const std::string& address, std::uint16_t port, const std::string& from = "") const {
    Outcome outcome{};
    client->inside([&] { outcome = test::connect_to(address, port, from); });
    return outcome;
  }
  bool udp(std::uint16_t port, const std::string& from = "") const {
    UniqueFd receiver;
    server->inside([&] { receiver = test::receive_on(port); });
    client->inside([&] { test::send_to(kServer, port, from); });
    return test::has_arrived(receiver);
  }
  bool ping(const std::string& address) const {
    bool answered = true;
    client->inside([&] {
      try {
        test::run("ping -c 1 -W 0.3 " + address);
      } catch (const std::runtime_error&) {
        answered = false;
      }
    });
    return answered;
  }
};

}  // namespace

TEST_CASE("an allow passes its port and nothing else, in both families") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply("[[firewall.allow]]\nprotocol = \"tcp\"\nports = [22]\n");
  CHECK(network.tcp(kServer, 22) == Outcome::connected);
  CHECK(network.tcp(kServer6, 22) == Outcome::connected);
  CHECK(network.tcp(kServer, 23) == Outcome::silence);
  CHECK(network.tcp(kServer6, 23) == Outcome::silence);
}

TEST_CASE("the first rule that matches decides: deny, reject, allow in the order of the file") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply(R"([[firewall.deny]]
source = "192.168.2.64-192.168.2.70"
[[firewall.reject]]
protocol = "tcp"
ports = [23]
[[firewall.reject]]
protocol = "tcp"
ports = [80]
with = "host-unreachable"
[[firewall.allow]]
protocol = "tcp")");
  CHECK(network.tcp(kServer, 22, kClient) == Outcome::connected);
  CHECK(network.tcp(kServer, 22, kOtherClient) == Outcome::silence);
  CHECK(network.tcp(kServer, 23) == Outcome::refused);
  CHECK(network.tcp(kServer6, 23) == Outcome::refused);
  CHECK(network.tcp(kServer, 80) == Outcome::unreachable);
}

TEST_CASE("named groups of hosts, networks and ports match their members") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply(R"([[firewall.group]]
name = "admins"
type = "hosts"
elements = ["192.168.2.3", "192.168.2.5", "fd00:2::3"]
[[firewall.group]]
name = "servers"
type = "networks"
elements = ["192.168.0.0/29", "203.0.113.0/24", "fd00:1::/64"]
[[firewall.group]]
name = "web"
type = "ports"
elements = [80, "440-450"]
[[firewall.allow]]
source = "@admins"
destination = "@servers"
protocol = "tcp"
ports = "@web")");
  CHECK(network.tcp(kServer, 80, kClient) == Outcome::connected);
  CHECK(network.tcp(kServer, 443, kClient) == Outcome::connected);
  CHECK(network.tcp(kServer6, 443) == Outcome::connected);
  CHECK(network.tcp(kServer, 22, kClient) == Outcome::silence);
  CHECK(network.tcp(kServer, 80, kOtherClient) == Outcome::silence);
}

TEST_CASE("pings pass by their name in both families, and only they") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply("[[firewall.allow]]\nprotocol = [\"icmp\", \"icmpv6\"]\ntypes = [\"echo-request\"]\n");
  CHECK(network.ping(kServer));
  CHECK(network.ping(kServer6));
  network.apply("[[firewall.allow]]\nprotocol = [\"icmp\", \"icmpv6\"]\ntypes = [\"time-exceeded\"]\n");
  CHECK_FALSE(network.ping(kServer));
  CHECK_FALSE(network.ping(kServer6));
}

TEST_CASE("UDP passes by destination port and source, a rate lets pass its burst and no more") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply(R"([[firewall.allow]]
source = "192.168.2.3"
protocol = "udp"
ports = ["5000-5009"]
[[firewall.allow]]
source = "192.168.2.66"
protocol = "udp"
ports = [53]
limit = "1/day burst 2")");
  CHECK(network.udp(5009, kClient));
  CHECK_FALSE(network.udp(5010, kClient));
  CHECK(network.udp(53, kOtherClient));
  CHECK(network.udp(53, kOtherClient));
  CHECK_FALSE(network.udp(53, kOtherClient));
}

TEST_CASE("marks, TCP flags and states decide") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  test::run(
      "nft 'table inet marker { chain pre { type filter hook prerouting priority -150; tcp dport 22 meta "
      "mark set 0x11; "
      "}; }'");
  network.apply(R"([[firewall.deny]]
mark = "0x10/0xf0"
[[firewall.deny]]
protocol = "tcp"
ports = [23]
tcp_flags = "syn / syn,ack"
[[firewall.deny]]
protocol = "tcp"
ports = [80]
state = "new"
[[firewall.deny]]
protocol = "tcp"
ports = [443]
state = "invalid"
[[firewall.allow]]
protocol = "tcp")");
  CHECK(network.tcp(kServer, 22) == Outcome::silence);
  CHECK(network.tcp(kServer, 23) == Outcome::silence);
  CHECK(network.tcp(kServer, 80) == Outcome::silence);
  CHECK(network.tcp(kServer, 443) == Outcome::connected);
}

TEST_CASE("a named counter counts what its rule decides") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  network.apply(R"([[firewall.counter]]
name = "denied"
[[firewall.deny]]
protocol = "udp"
ports = [53]
counter = "denied"
[[firewall.allow]]
protocol = "udp")");
  CHECK(network.udp(54));
  CHECK_FALSE(network.udp(53));
  CHECK(test::run("nft list counter inet ftfw denied").find("packets 1 ") != std::string::npos);
}

TEST_CASE("source NAT and masquerading change the address that the server sees, for their sources only") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const test::Neighbour third("eth3");
  test::run("ip address add 192.168.3.100/24 dev eth3");
  third.run("ip address add 192.168.3.3/24 dev eth0");
  UniqueFd mail;
  third.inside([&] { mail = test::listen_on(25); });
  network.apply(R"([[firewall.allow]]
protocol = "tcp"
[[firewall.snat]]
out = "eth0"
source = "192.168.2.3"
to = "192.168.0.100"
[[firewall.masquerade]]
out = "eth3")");
  REQUIRE(network.tcp(kServer, 22, kClient) == Outcome::connected);
  CHECK(test::accepted_peer(network.ssh) == "192.168.0.100");
  REQUIRE(network.tcp(kServer, 22, kOtherClient) == Outcome::connected);
  CHECK(test::accepted_peer(network.ssh) == kOtherClient);
  REQUIRE(network.tcp("192.168.3.3", 25, kOtherClient) == Outcome::connected);
  CHECK(test::accepted_peer(mail) == "192.168.3.100");
}

TEST_CASE(
    "a port that is forwarded passes, the inner address itself does not, and allow = false leaves it to the "
    "rules") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const std::string forwarding = R"([[firewall.dnat]]
from = "eth1"
destination = "192.168.2.100"
protocol = "tcp"
ports = [8443]
to = "192.168.0.3"
to_ports = 443
)";
  network.apply(forwarding);
  CHECK(network.tcp("192.168.2.100", 8443) == Outcome::connected);
  CHECK(network.tcp(kServer, 443) == Outcome::silence);
  CHECK(network.tcp("192.168.2.100", 8444) == Outcome::refused);
  network.apply("[[firewall.deny]]\nsource = \"192.168.2.66\"\n" + forwarding);
  CHECK(network.tcp("192.168.2.100", 8443, kClient) == Outcome::connected);
  CHECK(network.tcp("192.168.2.100", 8443, kOtherClient) == Outcome::silence);
  network.apply(forwarding + "allow = false\n");
  CHECK(network.tcp("192.168.2.100", 8443) == Outcome::silence);
}

TEST_CASE("the firewall itself is open for its services and pings, closed for the rest") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const UniqueFd ssh = test::listen_on(22);
  const UniqueFd other = test::listen_on(8080);
  const UniqueFd proxy = test::listen_on(3128);
  network.apply("[[firewall.allow]]\nprotocol = \"tcp\"\n");
  CHECK(network.tcp("192.168.2.100", 8080) == Outcome::connected);
  network.apply(R"([firewall.input]
[[firewall.service]]
source = ["192.168.2.3", "fd00:2::/64"]
protocol = "tcp"
ports = [22]
[[firewall.redirect]]
from = "eth1"
protocol = "tcp"
ports = [80]
to_ports = 3128)");
  CHECK(network.tcp("192.168.2.100", 22, kClient) == Outcome::connected);
  CHECK(network.tcp("fd00:2::100", 22) == Outcome::connected);
  CHECK(network.tcp("192.168.2.100", 22, kOtherClient) == Outcome::silence);
  CHECK(network.tcp("192.168.2.100", 8080) == Outcome::silence);
  CHECK(network.ping("192.168.2.100"));
  CHECK(network.ping("fd00:2::100"));
  // What is redirected comes in as a service does; the port that it is sent to is not open by itself.
  CHECK(network.tcp(kServer, 80) == Outcome::connected);
  CHECK(network.tcp("192.168.2.100", 3128) == Outcome::silence);
  // The protection does not sleep with the forwarding.
  REQUIRE(network.loader->sleep());
  CHECK(network.tcp("192.168.2.100", 8080) == Outcome::silence);
}

TEST_CASE("new connections to services beyond the SYN limit are dropped, known ones go on") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const UniqueFd ssh = test::listen_on(22);
  network.apply(R"([firewall.input]
syn_limit = "1/day burst 2"
[[firewall.service]]
protocol = "tcp"
ports = [22])");
  CHECK(network.tcp("192.168.2.100", 22) == Outcome::connected);
  CHECK(network.tcp("192.168.2.100", 22) == Outcome::connected);
  CHECK(network.tcp("192.168.2.100", 22) == Outcome::silence);
  CHECK(network.ping("192.168.2.100"));
}

TEST_CASE("a reverse path filter drops what could not be answered") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const auto arrives_from = [&](const char* source) {
    const UniqueFd receiver = test::receive_on(161);
    network.client->inside([&] { test::send_to("192.168.0.100", 161, source); });
    return test::has_arrived(receiver);
  };
  const std::string service = "[[firewall.service]]\nfrom = \"any\"\nprotocol = \"udp\"\nports = [161]\n";
  network.apply("[firewall.input]\n" + service);
  CHECK(arrives_from("10.99.0.1"));
  for (const char* path : {"loose", "strict"}) {
    network.apply(std::string("[firewall.input]\nreverse_path = \"") + path + "\"\n" + service);
    CHECK_FALSE(arrives_from("10.99.0.1"));
    CHECK(arrives_from(kClient));
  }
  // There is a way back, but through the other interface.
  test::run("ip route add 10.99.0.1/32 via 192.168.0.3");
  CHECK_FALSE(arrives_from("10.99.0.1"));
  network.apply("[firewall.input]\nreverse_path = \"loose\"\n" + service);
  CHECK(arrives_from("10.99.0.1"));
}
