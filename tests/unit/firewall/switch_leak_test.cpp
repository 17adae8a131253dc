// Between standby and primary there is no instant with forwarding open and no rules: the firewall is switched
// thousands of times while another processor floods it, and what comes out on the other side is counted.
// FTFW_SWITCHES makes a longer run.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

#include "appliance/base/clock.hpp"
#include "firewall/linux/loader.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/flood.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

constexpr std::uint16_t kAllowed = 53;  // fixture.hpp: from inside to outside, source translated
constexpr std::uint16_t kForbidden = 9;
constexpr std::size_t kSwitches = 10'000;
// Of a full load, which takes milliseconds.
constexpr std::size_t kLoads = 4'000;
// Every so many turns a standby is looked at for as long as this many packets last.
constexpr std::size_t kTurnsPerLook = 100;
constexpr std::uint64_t kPacketsPerLook = 1'000;

std::size_t switches(std::size_t usual) {
  const char* wanted = std::getenv("FTFW_SWITCHES");
  return wanted == nullptr ? usual : std::stoul(wanted);
}

// No packet that was on its way before is still on its way: waits for all readers of RCU, which the path of a
// packet through the stack is (kernel/sched/membarrier.c, MEMBARRIER_CMD_GLOBAL).
void settle() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) throw std::runtime_error("membarrier");
}

// A client, the firewall (this thread's namespace), a server that counts and answers nothing.
struct Network {
  test::Neighbour inside{"eth1"};
  test::Neighbour outside{"eth0"};

  Network() {
    test::run(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1 "
        // A source port begins a new flow each time it comes round.
        "net.netfilter.nf_conntrack_udp_timeout=1; "
        "ip address add 192.168.2.1/24 dev eth1; ip address add 192.168.0.1/24 dev eth0; "
        "ip link set eth1 address 02:00:00:00:02:01; ip link set eth0 address 02:00:00:00:00:01; "
        "ip neigh add 192.168.0.3 lladdr 02:00:00:00:00:03 dev eth0");
    inside.run(
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip address add 192.168.2.3/24 dev eth0; "
        "ip route add default via 192.168.2.1; ip neigh add 192.168.2.1 lladdr 02:00:00:00:02:01 dev eth0");
    outside.run(fmt::format(
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set eth0 address 02:00:00:00:00:03; "
        "nft 'table ip seen {{ counter forbidden {{ }}; counter untranslated {{ }}; counter translated {{ "
        "}}; "
        "chain arriving {{ type filter hook prerouting priority raw; policy drop; "
        "udp dport {} counter name forbidden drop; "
        "udp dport {} ip saddr != 192.168.0.100 counter name untranslated drop; "
        "udp dport {} counter name translated drop; }}; }}'",
        kForbidden, kAllowed, kAllowed));
  }

  std::uint64_t seen(const std::string& counter) const {
    std::uint64_t packets = 0;
    outside.inside([&] {
      packets = std::stoull(
          test::run("nft list counter ip seen " + counter + " | sed -n 's/.*packets \\([0-9]*\\) .*/\\1/p'"));
    });
    return packets;
  }

  // Of the firewall's interface, whatever they are: nothing but the flood's packets is sent there.
  static std::uint64_t forwarded() {
    std::ifstream table("/proc/thread-self/net/dev");
    for (std::string line; std::getline(table, line);) {
      const std::size_t name = line.find("eth0:");
      if (name == std::string::npos) continue;
      std::istringstream fields(line.substr(name + 5));
      std::array<std::uint64_t, 10> values{};  // the tenth: packets sent
      for (std::uint64_t& value : values) fields >> value;
      return values.back();
    }
    throw std::runtime_error("eth0 is not in /proc/net/dev");
  }
};

// One turn: from standby to primary, and back.
struct Way {
  const char* name;
  std::size_t switches;
  std::function<void(std::size_t turn)> wake;
  std::function<void()> sleep;
};

void flood_while_switching(Network& network, const Way& way) {
  const test::Flood flood(network.inside, {.to = "192.168.0.3", .port = kAllowed, .other_port = kForbidden});
  const std::size_t turns = way.switches / 2;
  const Instant begin = monotonic_now();
  REQUIRE(flood.wait_for_more(kPacketsPerLook));
  std::uint64_t through_standby = 0;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    way.wake(turn);
    // Some packets pass, so that a switch always meets flows as they are in use.
    REQUIRE(flood.wait_for_more(1));
    way.sleep();
    if (turn % kTurnsPerLook != 0) continue;
    settle();
    const std::uint64_t before = Network::forwarded();
    REQUIRE(flood.wait_for_more(kPacketsPerLook));
    settle();
    through_standby += Network::forwarded() - before;
  }
  const Duration took = monotonic_now() - begin;
  CHECK(through_standby == 0);
  CHECK(network.seen("forbidden") == 0);
  CHECK(network.seen("untranslated") == 0);
  // Else nothing was tried.
  CHECK(network.seen("translated") > turns);
  CHECK(flood.sent() > 4 * turns);
  fmt::print(
      "[netns switches] {}: {} switches in {:.1f} s under {} packets: {} forbidden ones leaked, {} went "
      "untranslated, {} through a standby; {} forwarded\n",
      way.name, 2 * turns, in_milliseconds(took) / 1000, flood.sent(), network.seen("forbidden"),
      network.seen("untranslated"), through_standby, network.seen("translated"));
}

// What differs is never what the flood meets.
Ruleset ruleset_with(std::uint16_t port) {
  config::Config config = test::reference_config();
  config.firewall.rules.front().match.ports = test::ports({port});
  config.firewall.snats.push_back(
      {.match = {.to = test::from("eth0"), .source = test::addresses({"10.1.0.0/16"}), .ports = {}},
       .to = config::range_of(*IpAddress::parse(fmt::format("192.168.0.{}", port))),
       .where = {200, 1}});
  return build_ruleset(config, {.flowtables = false});
}

}  // namespace

TEST_CASE("a wake and a sleep under a flood let nothing through that the policy forbids, and translate all") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  const Ruleset ruleset = ruleset_with(80);
  Loader loader = *Loader::open(build_guard(test::reference_config()));
  REQUIRE(loader.stand_by(ruleset));
  flood_while_switching(network, {.name = "wake",
                                  .switches = switches(kSwitches),
                                  .wake =
                                      [&](std::size_t turn) {
                                        const bool shield = turn % 2 == 1;
                                        const LoadResult active = loader.activate(ruleset, shield);
                                        REQUIRE(active);
                                        CHECK(active->full_load == false);
                                        if (turn % 4 == 1) REQUIRE(loader.lower_shield());
                                      },
                                  .sleep = [&] { REQUIRE(loader.sleep()); }});
}

TEST_CASE("a full load and its end under a flood let nothing through, and translate all") {
  if (!test::enter_fresh_namespace()) return;
  Network network;
  // Loaded anew each time, NAT too: what stands there is of the other ruleset.
  const std::array rulesets{ruleset_with(80), ruleset_with(81)};
  Loader loader = *Loader::open(build_guard(test::reference_config()));
  REQUIRE(loader.stand_by(rulesets[1]));
  std::size_t now = 0;
  flood_while_switching(network, {.name = "full load",
                                  .switches = switches(kLoads),
                                  .wake =
                                      [&](std::size_t turn) {
                                        now = turn % 2;
                                        const LoadResult active =
                                            loader.activate(rulesets.at(now), turn % 4 >= 2);
                                        REQUIRE(active);
                                        CHECK(active->full_load);
                                      },
                                  .sleep = [&] { REQUIRE(loader.stand_by(rulesets.at(now))); }});
}
