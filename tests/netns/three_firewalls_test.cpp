// One primary and two standbys, the real program: the flows survive one primary after the other, and a third
// node that goes and comes changes nothing for the other two.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kTakeover = 10s;
// A node that returns waits until it is in step, then preempts.
constexpr Duration kReturn = 60s;
constexpr Duration kLife = 15s;
constexpr int kStreams = 20;

struct ThreeFirewalls {
  ThreeFirewalls()
      : lab(Ipv6::off, Firewalls::three),
        configuration(write_configuration(lab, {.firewalls = Firewalls::three})),
        fw_1(lab, Node::fw_1, configuration),
        fw_2(lab, Node::fw_2, configuration),
        fw_3(lab, Node::fw_3, configuration),
        services(lab) {
    fw_1.start();
    REQUIRE(wait_until(kElection, [&] { return fw_1.holding() == Holding::all; }));
    fw_2.start();
    fw_3.start();
    REQUIRE(wait_in_sync(Node::fw_2));
    REQUIRE(wait_in_sync(Node::fw_3));
    // Its status is published once a second.
    REQUIRE(wait_until(kReturn, [&] { return serves_both(status(Node::fw_1)); }));
  }

  static bool serves_both(const Json& now) {
    const auto served = [](const Json& peer) { return peer["alive"] == true && peer["in_sync"] == true; };
    return now.contains("peers") && now["peers"].size() == 2 && served(now["peers"][0]) &&
           served(now["peers"][1]) && now["lease_seconds"] == 3.0;
  }

  Appliance& daemon(Node node) { return node == Node::fw_1 ? fw_1 : node == Node::fw_2 ? fw_2 : fw_3; }

  Json status(Node node) {
    const Outcome asked = lab.run(node, {control_program().string(), "--socket",
                                         daemon(node).control_socket().string(), "status", "--json"});
    return asked.exit_code == 0 ? Json::parse(asked.output) : Json::object();
  }

  // A backup that hears both others and holds what the primary holds.
  bool wait_in_sync(Node node) {
    return wait_until(kReturn, [&] {
      const Json now = status(node);
      return now.contains("role") && now["role"] == "backup" && now["replication"]["in_sync"] == true &&
             now["peers"].size() == 2;
    });
  }

  bool wait_primary(Node node, Duration at_most = kTakeover) {
    return wait_until(at_most, [&] { return daemon(node).holding() == Holding::all; });
  }

  // Power off: cables, process, kernel.
  void crash(Node node) {
    lab.cut_all(node);
    daemon(node).kill();
    lab.forget_kernel_state(node);
  }
  void boot(Node node) {
    lab.restore_all(node);
    daemon(node).start();
  }

  Lab lab;
  std::filesystem::path configuration;
  Appliance fw_1;
  Appliance fw_2;
  Appliance fw_3;
  Services services;
};

Traffic::Amounts streams() {
  return {.echoes = kStreams, .downloads = 0, .uploads = 0, .idle = 0, .to_reset = 0, .to_finish = 0};
}

void check_all_alive(Traffic& traffic, const char* when) {
  CAPTURE(when);
  traffic.mark();
  const Traffic::Report report = traffic.wait_all_alive(kLife);
  for (const std::string& line : report.obituaries) FAIL_CHECK(line);
  CHECK(report.echoes.alive == kStreams);
}

}  // namespace

TEST_CASE("20 streams survive fw-1, then fw-2, and fw-1 returns in sync and preempts") {
  ThreeFirewalls three;
  Traffic traffic(three.lab, streams());

  three.crash(Node::fw_1);
  CHECK(three.wait_primary(Node::fw_2));
  check_all_alive(traffic, "fw-1 crashed");
  // fw-3 has another source now.
  CHECK(three.wait_in_sync(Node::fw_3));

  three.crash(Node::fw_2);
  CHECK(three.wait_primary(Node::fw_3));
  check_all_alive(traffic, "fw-2 crashed as well");

  three.boot(Node::fw_1);
  CHECK(three.wait_primary(Node::fw_1, kReturn));
  check_all_alive(traffic, "fw-1 returned");
  CHECK(three.wait_in_sync(Node::fw_3));
}

TEST_CASE("a third node that is killed changes nothing for the others, and gets in at once when it returns") {
  ThreeFirewalls three;
  Traffic traffic(three.lab, streams());
  const Json before = three.status(Node::fw_2);

  three.crash(Node::fw_3);
  REQUIRE(wait_until(kTakeover, [&] {
    const Json now = three.status(Node::fw_1);
    return now.contains("peers") && now["peers"][1]["alive"] == false;
  }));
  check_all_alive(traffic, "fw-3 was killed");
  const Json primary = three.status(Node::fw_1);
  CHECK(primary["role"] == "primary");
  CHECK(primary["peers"][0]["alive"] == true);
  CHECK(primary["peers"][0]["in_sync"] == true);
  CHECK(primary["lease_seconds"] == 3.0);
  const Json standby = three.status(Node::fw_2);
  CHECK(standby["role"] == "backup");
  CHECK(standby["replication"]["in_sync"] == true);
  CHECK(standby["since"] == before["since"]);

  three.boot(Node::fw_3);
  CHECK(three.wait_in_sync(Node::fw_3));
  CHECK(wait_until(kTakeover, [&] { return ThreeFirewalls::serves_both(three.status(Node::fw_1)); }));
  check_all_alive(traffic, "fw-3 returned");
}
