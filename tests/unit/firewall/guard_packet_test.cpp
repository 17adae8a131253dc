// What guard and shield do to real packets, over loopback: is a connection attempt answered or met by
// silence?
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>

#include "appliance/base/unique_fd.hpp"
#include "firewall/linux/loader.hpp"
#include "tests/unit/firewall/fixture.hpp"
#include "tests/unit/firewall/network_namespace.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

constexpr const char* kVirtual = "192.168.0.100";
constexpr const char* kOwn = "192.168.0.1";
constexpr int kSilenceMs = 150;

// True: our own stack said RST. False: silence for kSilenceMs.
bool is_answered(const char* address, std::uint16_t port = 9) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port)};
  ::inet_pton(AF_INET, address, &to.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
      errno == ECONNREFUSED) {
    return true;
  }
  pollfd waiting{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  return ::poll(&waiting, 1, kSilenceMs) == 1;
}

}  // namespace

TEST_CASE("a closed machine is silent on its virtual address and answers on its own") {
  if (!test::enter_fresh_namespace()) return;
  test::run("ip address add 192.168.0.100/32 dev lo; ip address add 192.168.0.1/24 dev lo");
  Loader loader = *Loader::open(build_guard(test::reference_config()));
  REQUIRE(is_answered(kVirtual));
  REQUIRE(loader.close());
  CHECK_FALSE(is_answered(kVirtual));
  CHECK(is_answered(kOwn));
}

TEST_CASE("under the shield no unknown flow to the virtual address is answered, without it each is") {
  if (!test::enter_fresh_namespace()) return;
  test::run("ip address add 192.168.0.100/32 dev lo; ip address add 192.168.0.1/24 dev lo");
  const Ruleset ruleset = build_ruleset(test::reference_config(), {.flowtables = false});
  Loader loader = *Loader::open(build_guard(test::reference_config()));
  REQUIRE(loader.stand_by(ruleset));
  REQUIRE(loader.activate(ruleset, true));
  CHECK_FALSE(is_answered(kVirtual));
  CHECK(is_answered(kOwn));
  REQUIRE(loader.lower_shield());
  CHECK(is_answered(kVirtual));
}

TEST_CASE(
    "a closed machine forwards nothing, an active one what its rules accept, a removed one everything") {
  if (!test::enter_fresh_namespace()) return;
  // What is sent to 10.1.0.9 comes back in through eth1 and has to be forwarded. Counted when it has been.
  test::run(
      "ip link add eth0 type veth peer name eth1 address 02:00:00:00:00:09 && ip link set eth0 up && "
      "ip link set eth1 up && ip address add 10.1.0.1/24 dev eth0 && "
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0 "
      "net.ipv4.conf.eth1.accept_local=1 && ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0");
  const auto forwarded = [](const std::function<void()>& send) {
    test::run(
        "nft 'add table inet seen; delete table inet seen; table inet seen { "
        "chain passed { type filter hook postrouting priority 300; iifname \"eth1\" ip daddr 10.1.0.9 "
        "counter; }; }'");
    send();
    return test::nft_list_table("seen").find("packets 0 ") == std::string::npos;
  };
  const auto ping = [] { test::run("ping -c 1 -W 0.1 10.1.0.9 || true"); };
  const auto syn_to = [](std::uint16_t port) { return [port] { is_answered("10.1.0.9", port); }; };
  const Ruleset ruleset = build_ruleset(test::reference_config(), {.flowtables = false});
  Loader loader = *Loader::open(build_guard(test::reference_config()));

  REQUIRE(loader.close());
  CHECK_FALSE(forwarded(ping));
  REQUIRE(loader.stand_by(ruleset));
  CHECK_FALSE(forwarded(ping));
  CHECK_FALSE(forwarded(syn_to(22)));
  REQUIRE(loader.activate(ruleset, true));
  CHECK(forwarded(ping));
  CHECK(forwarded(syn_to(22)));
  CHECK_FALSE(forwarded(syn_to(9)));
  REQUIRE(loader.sleep());
  CHECK_FALSE(forwarded(ping));
  CHECK_FALSE(forwarded(syn_to(22)));
  REQUIRE(loader.remove_everything());
  CHECK(forwarded(syn_to(9)));
}
