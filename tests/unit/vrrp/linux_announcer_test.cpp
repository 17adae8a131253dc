// Announcements on a real link, in network namespaces of their own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/announcement.hpp"
#include "vrrp/linux/announcer.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

TEST_CASE("a gratuitous ARP request reaches the other end and moves its neighbour entry") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto announcer = Announcer::open();
  REQUIRE(announcer);
  const auto mac = announcer->mac_of("left0");
  REQUIRE(mac);
  UniqueFd capture = network.in_right([] {
    TwoNamespaces::run("ip neighbour add 192.0.2.100 lladdr 02:00:00:00:00:99 nud stale dev right0");
    return UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ARP)));
  });
  const ByteVector frame = gratuitous_arp_request(*mac, ip("192.0.2.100"));

  CHECK(within(3s, [&] {
    REQUIRE(announcer->send("left0", frame));
    std::array<std::uint8_t, 128> seen{};
    const ssize_t got = ::recv(capture.get(), seen.data(), seen.size(), MSG_DONTWAIT);
    return got >= 42 && std::ranges::equal(ByteSpan(seen).first(42), frame);
  }));
  CHECK(network.in_right([&] {
    return within(3s, [&] {
      return std::system(("ip neighbour show 192.0.2.100 | grep -q " + mac->to_string()).c_str()) == 0;
    });
  }));
  CHECK_FALSE(announcer->send("absent0", frame));
  CHECK_FALSE(announcer->mac_of("absent0"));
}
