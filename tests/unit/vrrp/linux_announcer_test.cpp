// Announcements on a real link, in network namespaces of their own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/announcement.hpp"
#include "vrrp/linux/announcer.hpp"
#include "vrrp/linux/ip_packet.hpp"

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

TEST_CASE("a frame leaves with the protocol that it carries, and one without a whole header is refused") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto announcer = Announcer::open();
  REQUIRE(announcer);
  const UniqueFd capture(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  REQUIRE(capture);
  const MacAddress mac = virtual_router_mac(Family::ipv6, 51);
  const ByteVector frame =
      multicast_frame(mac, ip("fe80::1"), ip("ff02::1"), 0, ByteVector{0x88, 0, 0, 0, 0, 0, 0, 0});
  REQUIRE(announcer->send("left0", frame));

  CHECK(within(3s, [&] {
    std::array<std::uint8_t, 128> seen{};
    sockaddr_ll from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t got = ::recvfrom(capture.get(), seen.data(), seen.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    return got == static_cast<ssize_t>(frame.size()) &&
           std::ranges::equal(ByteSpan(seen).first(frame.size()), frame) &&
           from.sll_protocol == htons(ETH_P_IPV6) && from.sll_pkttype == PACKET_OUTGOING;
  }));
  CHECK(announcer->send("left0", ByteSpan(frame).first(13)).error().code == EINVAL);
}
