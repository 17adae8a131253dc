// Advertisement sockets against the real kernel, in network namespaces of their own. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/advertisement_socket.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

TEST_CASE("an advertisement arrives with TTL 255, its source, its destination and its exact payload") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto sender = AdvertisementSocket::open(leg("left0", "192.0.2.100"));
  REQUIRE(sender);
  auto receiver = network.in_right([] { return AdvertisementSocket::open(leg("right0", "192.0.2.100")); });
  REQUIRE(receiver);
  const ByteVector payload{0x31, 1, 2, 3, 4, 5, 6, 7, 8};

  REQUIRE(within(
      3s, [&] { return sender->send(payload, ip("192.0.2.1"), multicast_group(Family::ipv4)).has_value(); }));
  const auto packet = next_packet(*receiver);

  REQUIRE(packet);
  CHECK(packet->ttl == 255);
  CHECK(packet->source == ip("192.0.2.1"));
  CHECK(packet->destination == multicast_group(Family::ipv4));
  CHECK(std::ranges::equal(packet->payload, payload));
  CHECK_FALSE(*receiver->receive());
  CHECK_FALSE(*sender->receive());  // its own packet does not come back
}

TEST_CASE("the named source is used although a virtual address stands on the interface") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("ip address add 198.51.100.7/32 dev left0");
  auto sender = AdvertisementSocket::open(leg("left0", "192.0.2.100"));
  auto receiver = network.in_right([] { return AdvertisementSocket::open(leg("right0", "192.0.2.100")); });
  REQUIRE(sender);
  REQUIRE(receiver);

  REQUIRE(within(3s, [&] {
    return sender->send(ByteVector(12), ip("198.51.100.7"), multicast_group(Family::ipv4)).has_value();
  }));
  CHECK(next_packet(*receiver)->source == ip("198.51.100.7"));
  REQUIRE(sender->send(ByteVector(12), ip("192.0.2.1"), multicast_group(Family::ipv4)));
  CHECK(next_packet(*receiver)->source == ip("192.0.2.1"));
}

TEST_CASE("sockets send and hear again after their interfaces were deleted, made anew and rejoined") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto sender = AdvertisementSocket::open(leg("left0", "192.0.2.100"));
  auto receiver = network.in_right([] { return AdvertisementSocket::open(leg("right0", "192.0.2.100")); });
  REQUIRE(sender);
  REQUIRE(receiver);
  TwoNamespaces::run("ip link delete left0");
  CHECK_FALSE(sender->rejoin());  // no such interface
  CHECK_FALSE(sender->send(ByteVector(12), ip("192.0.2.1"), multicast_group(Family::ipv4)));

  network.connect();
  REQUIRE(sender->rejoin());
  REQUIRE(network.in_right([&] { return receiver->rejoin(); }));
  REQUIRE(sender->rejoin());  // twice is harmless

  REQUIRE(within(3s, [&] {
    return sender->send(ByteVector(12), ip("192.0.2.1"), multicast_group(Family::ipv4)).has_value();
  }));
  CHECK(next_packet(*receiver));
}

TEST_CASE("an interface that does not exist is an error that names it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  const auto socket = AdvertisementSocket::open(leg("absent0", "192.0.2.100"));
  REQUIRE_FALSE(socket);
  CHECK(socket.error().text.find("absent0") != std::string::npos);
  CHECK(socket.error().code == ENODEV);
}

TEST_CASE(
    "an IPv6 advertisement arrives with hop limit 255, its link-local source, ff02::12 and its payload") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto sender = AdvertisementSocket::open(leg("left0", "fe80::100"));
  auto receiver = network.in_right([] { return AdvertisementSocket::open(leg("right0", "fe80::100")); });
  REQUIRE(sender);
  REQUIRE(receiver);
  ByteVector payload(8 + 255 * 16);  // the largest advertisement: it comes in fragments
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i);

  for (const ByteSpan part : {ByteSpan(payload).first(24), ByteSpan(payload)}) {
    REQUIRE(within(3s, [&] { return sender->send(part, ip("fe80::1"), ip("ff02::12")).has_value(); }));
    const auto packet = next_packet(*receiver);
    REQUIRE(packet);
    CHECK(packet->ttl == 255);
    CHECK(packet->source == ip("fe80::1"));
    CHECK(packet->destination == ip("ff02::12"));
    CHECK(std::ranges::equal(packet->payload, part));
  }
  CHECK_FALSE(*receiver->receive());
  CHECK_FALSE(*sender->receive());
  CHECK(receiver->malformed() == 0);
}

TEST_CASE("an IPv6 source that is still tentative is refused by the kernel") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("sysctl -qw net.ipv6.conf.left0.addr_gen_mode=1 net.ipv6.conf.left0.dad_transmits=60");
  TwoNamespaces::run("ip address add fe80::1/64 dev left0");
  auto sender = AdvertisementSocket::open(leg("left0", "fe80::100"));
  REQUIRE(sender);

  const auto sent = sender->send(ByteVector(24), ip("fe80::1"), ip("ff02::12"));

  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == EINVAL);
}

TEST_CASE("unicast advertisements reach the other node with TTL 255 and its address, of both families") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  struct Case {
    const char* virtual_address;
    const char* from;
    const char* to;
  };
  for (const Case& each :
       {Case{"192.0.2.100", "192.0.2.1", "192.0.2.2"}, Case{"fe80::100", "fe80::1", "fe80::2"}}) {
    RouterSettings left = leg("left0", each.virtual_address);
    RouterSettings right = leg("right0", each.virtual_address);
    left.unicast = right.unicast = {ip(each.from), ip(each.to)};
    auto sender = AdvertisementSocket::open(left);
    auto receiver = network.in_right([&] { return AdvertisementSocket::open(right); });
    auto member =
        network.in_right([&] { return AdvertisementSocket::open(leg("right0", each.virtual_address)); });
    REQUIRE(sender);
    REQUIRE(receiver);
    REQUIRE(member);

    // To the group first: another socket of the machine is a member, the unicast one does not hear it.
    CAPTURE(std::string(each.from));
    const Family family = ip(each.from).family();
    REQUIRE(within(
        3s, [&] { return sender->send(ByteVector{1}, ip(each.from), multicast_group(family)).has_value(); }));
    REQUIRE(next_packet(*member));
    REQUIRE(within(3s, [&] { return sender->send(ByteVector{2}, ip(each.from), ip(each.to)).has_value(); }));
    const auto packet = next_packet(*receiver);
    REQUIRE(packet);
    CHECK(packet->payload[0] == 2);
    CHECK(packet->ttl == 255);
    CHECK(packet->source == ip(each.from));
    CHECK(packet->destination == ip(each.to));
  }
}
