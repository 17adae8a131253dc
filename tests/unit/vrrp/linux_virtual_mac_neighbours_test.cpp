// What neighbours learn of a virtual MAC, asked over a real link in network namespaces of their own. Needs
// root.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/unit/vrrp/virtual_mac_support.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

constexpr std::size_t kArpOperation = 20;
constexpr std::size_t kArpSenderMac = 22;
constexpr std::size_t kArpSenderAddress = 28;

void ask(const UniqueFd& socket, const MacAddress& own, const IpAddress& own_address,
         const IpAddress& wanted) {
  ByteVector frame;
  ByteWriter writer(frame);
  const MacAddress broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  writer.bytes(broadcast.bytes);
  writer.bytes(own.bytes);
  writer.u16(ETH_P_ARP);
  writer.u16(1);
  writer.u16(ETH_P_IP);
  writer.u16(0x0604);
  writer.u16(1);
  writer.bytes(own.bytes);
  writer.bytes(own_address.bytes());
  writer.bytes(MacAddress{}.bytes);
  writer.bytes(wanted.bytes());
  REQUIRE(::send(socket.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
}

struct Answer {
  IpAddress address;
  MacAddress mac;
  auto operator<=>(const Answer&) const = default;
};

std::optional<Answer> next_answer(const UniqueFd& socket) {
  const auto frame = next_frame(
      socket, [](const ByteVector& each) { return each.size() >= 42 && each[kArpOperation + 1] == 2; });
  if (!frame) return std::nullopt;
  Answer answer;
  answer.address = *IpAddress::from_bytes(ByteSpan(*frame).subspan(kArpSenderAddress, 4));
  std::copy_n(frame->begin() + kArpSenderMac, 6, answer.mac.bytes.begin());
  return answer;
}

// Everything that left0's side answers to: the base address, the virtual one, the base address again. A wrong
// answer of the parent comes before its second one; a wrong one of the macvlan, whose broadcasts wait in a
// queue, before its right one.
std::vector<Answer> answers(TwoNamespaces& network) {
  const MacAddress own = network.in_right([] { return mac_of("right0"); });
  const UniqueFd socket = network.in_right([] { return capture(ETH_P_ARP); });
  for (const char* wanted : {"192.0.2.1", "192.0.2.100", "192.0.2.1"})
    ask(socket, own, ip("192.0.2.2"), ip(wanted));
  std::vector<Answer> all;
  const auto of = [&](const char* address) { return std::ranges::count(all, ip(address), &Answer::address); };
  while (of("192.0.2.1") < 2 || of("192.0.2.100") < 1) {
    const auto answer = next_answer(socket);
    if (!answer) break;
    all.push_back(*answer);
  }
  std::ranges::sort(all);
  return all;
}

}  // namespace

TEST_CASE(
    "an address on the macvlan is answered for with the virtual MAC, the base address with the base MAC") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  prepare_parent();
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  // The IPv6 one hears the ARP requests too.
  REQUIRE(interfaces.create("vrrp6.51", "left0", kMac6, Family::ipv6));
  REQUIRE(interfaces.set_up("vrrp6.51"));
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(addresses->add({&kOnMacvlan, 1}, 30s));
  const MacAddress base = mac_of("left0");

  const std::vector<Answer> expected{
      {ip("192.0.2.1"), base}, {ip("192.0.2.1"), base}, {ip("192.0.2.100"), kMac4}};
  CHECK(answers(network) == expected);
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.all.rp_filter=2");
  CHECK(answers(network) == expected);
}

TEST_CASE("IPv6 neighbours learn the virtual MAC for an address on the macvlan, and reach it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac6, Family::ipv6));
  REQUIRE(interfaces.set_up(kMacvlan));
  const std::vector<VirtualAddress> both{
      {.interface = kMacvlan, .address = *IpPrefix::parse("fe80::100/64"), .no_prefix_route = false},
      {.interface = kMacvlan, .address = *IpPrefix::parse("2001:db8::100/128"), .no_prefix_route = true}};
  REQUIRE(addresses->add(both, 30s));
  TwoNamespaces::run("ip address add 2001:db8::1/64 dev left0 nodad");
  const std::string base = mac_of("left0").to_string();
  network.in_right([&] {
    TwoNamespaces::run("ip address add 2001:db8::2/64 dev right0 nodad");
    const auto neighbour_is = [](const std::string& address, const std::string& mac) {
      return within(5s, [&] {
        return succeeds("ping -6 -c 1 -W 1 -I right0 " + address) &&
               succeeds("ip neighbour show " + address + " dev right0 | grep " + mac);
      });
    };
    CHECK(neighbour_is("fe80::100", kMac6.to_string()));
    CHECK(neighbour_is("2001:db8::100", kMac6.to_string()));
    CHECK(neighbour_is("fe80::1", base));
    CHECK(neighbour_is("2001:db8::1", base));
  });
}

TEST_CASE("a packet from the virtual address leaves by the parent without making neighbours forget its MAC") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  prepare_parent();
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(addresses->add({&kOnMacvlan, 1}, 30s));

  // The reply goes through the parent's route, and the parent first asks for the MAC of 192.0.2.2: in its own
  // name (arp_announce), not in that of the virtual address.
  network.in_right([] {
    const UniqueFd socket = capture(ETH_P_ARP);
    CHECK(within(5s, [] { return succeeds("ping -c 1 -W 1 192.0.2.100"); }));
    const auto request = next_frame(
        socket, [](const ByteVector& each) { return each.size() >= 42 && each[kArpOperation + 1] == 1; });
    REQUIRE(request);
    CHECK(IpAddress::from_bytes(ByteSpan(*request).subspan(kArpSenderAddress, 4)) == ip("192.0.2.1"));
    CHECK(succeeds("ip neighbour show 192.0.2.100 | grep " + kMac4.to_string()));
  });
}

TEST_CASE("a virtual MAC works above a bridge too") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("ip link add br0 type bridge forward_delay 0");
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  TwoNamespaces::run("ip link set left0 master br0");
  TwoNamespaces::run("ip address add 192.0.2.1/24 dev br0");
  TwoNamespaces::run("ip link set br0 up");
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.br0.arp_ignore=1 net.ipv4.conf.br0.arp_announce=2");
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(interfaces.create(kMacvlan, "br0", kMac4, Family::ipv4));
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(addresses->add({&kOnMacvlan, 1}, 30s));
  // Once the port forwards.
  CHECK(within(10s, [&] { return network.in_right([] { return succeeds("ping -c 1 -W 1 192.0.2.100"); }); }));
  const MacAddress base = mac_of("br0");

  const std::vector<Answer> expected{
      {ip("192.0.2.1"), base}, {ip("192.0.2.1"), base}, {ip("192.0.2.100"), kMac4}};
  CHECK(answers(network) == expected);
}
