// Macvlans with the virtual router's MAC and the advertisements of such legs, against the real kernel, in
// network namespaces of their own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/advertisement_socket.hpp"
#include "vrrp/linux/announcer.hpp"
#include "vrrp/linux/virtual_addresses.hpp"
#include "vrrp/linux/virtual_mac_interfaces.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

constexpr const char* kMacvlan = "vrrp.51";
const MacAddress kMac4 = virtual_router_mac(Family::ipv4, 51);
const VirtualAddress kOnMacvlan{
    .interface = kMacvlan, .address = *IpPrefix::parse("192.0.2.100/24"), .no_prefix_route = true};
const MacAddress kMac6 = virtual_router_mac(Family::ipv6, 51);

std::string setting(const std::string& path) {
  std::ifstream file("/proc/sys/net/" + path);
  std::string value;
  file >> value;
  return value;
}

bool is_up(const std::string& interface) {
  return succeeds("ip link show " + interface + " up | grep " + interface);
}

// Of /proc/net/netstat: lines of names and of values in turn.
std::uint64_t network_counter(const std::string& name) {
  std::ifstream file("/proc/thread-self/net/netstat");
  for (std::string names, values; std::getline(file, names) && std::getline(file, values);) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    for (std::string each, value; name_words >> each && value_words >> value;) {
      if (each == name) return std::stoull(value);
    }
  }
  return 0;
}

VirtualMacInterfaces open_interfaces() {
  auto interfaces = VirtualMacInterfaces::open();
  REQUIRE(interfaces);
  return std::move(*interfaces);
}

RouterSettings virtual_leg(const std::string& interface, const char* address) {
  RouterSettings settings = leg(interface, address);
  settings.virtual_mac = {virtual_router_mac(settings.family(), settings.id), kMacvlan};
  return settings;
}

MacAddress mac_of(const std::string& interface) {
  const auto announcer = Announcer::open();
  REQUIRE(announcer);
  const auto mac = announcer->mac_of(interface);
  REQUIRE(mac);
  return *mac;
}

// A packet socket on right0, made while in "right".
UniqueFd capture(std::uint16_t ether_type) {
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ether_type);
  at.sll_ifindex = static_cast<int>(::if_nametoindex("right0"));
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return socket;
}

// The next frame that satisfies the condition.
template <typename Condition>
std::optional<ByteVector> next_frame(const UniqueFd& socket, Condition condition) {
  std::optional<ByteVector> found;
  within(3s, [&] {
    std::array<std::uint8_t, 2048> buffer{};
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return false;
    ByteVector frame(buffer.begin(), buffer.begin() + got);
    if (condition(frame)) found = std::move(frame);
    return found.has_value();
  });
  return found;
}

// ---- ARP, asked from "right" -------------------------------------------------------------------

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

void prepare_parent() {
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.left0.arp_ignore=1 net.ipv4.conf.left0.arp_announce=2");
}

}  // namespace

TEST_CASE("a macvlan is made down, private, with the virtual MAC, our group and the settings of its family") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto interfaces = open_interfaces();

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  CHECK(succeeds("ip -d link show vrrp.51 | grep -q 'macvlan mode private'"));
  CHECK(succeeds("ip -d link show vrrp.51 | grep -q 'vrrp.51@left0'"));
  CHECK(mac_of(kMacvlan) == kMac4);
  CHECK_FALSE(is_up(kMacvlan));
  CHECK(interfaces.list_own() == std::vector<std::string>{kMacvlan});
  CHECK(setting("ipv4/conf/vrrp.51/arp_ignore") == "1");
  CHECK(setting("ipv4/conf/vrrp.51/accept_local") == "1");
  CHECK(setting("ipv4/conf/vrrp.51/rp_filter") == "0");
  CHECK(setting("ipv4/conf/vrrp.51/promote_secondaries") == "1");
  CHECK(setting("ipv6/conf/vrrp.51/disable_ipv6") == "1");

  REQUIRE(interfaces.create("vrrp6.51", "left0", kMac6, Family::ipv6));
  CHECK(setting("ipv4/conf/vrrp6.51/arp_ignore") == "1");
  CHECK(setting("ipv6/conf/vrrp6.51/disable_ipv6") == "0");
  CHECK(setting("ipv6/conf/vrrp6.51/addr_gen_mode") == "1");
  CHECK(setting("ipv6/conf/vrrp6.51/accept_dad") == "0");
  CHECK(setting("ipv6/conf/vrrp6.51/accept_ra") == "0");

  REQUIRE(interfaces.set_up(kMacvlan));
  CHECK(is_up(kMacvlan));
  REQUIRE(interfaces.set_down(kMacvlan));
  CHECK_FALSE(is_up(kMacvlan));
  REQUIRE(interfaces.remove(kMacvlan));
  CHECK(::if_nametoindex(kMacvlan) == 0);
  CHECK(interfaces.remove(kMacvlan));  // gone already
  CHECK(interfaces.list_own() == std::vector<std::string>{"vrrp6.51"});
  CHECK(interfaces.set_up(kMacvlan).error().code == ENODEV);
}

TEST_CASE("one of ours is adopted as it stands, or made anew where its parent or MAC differ") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("ip link add other0 type veth peer name other1");
  REQUIRE(open_interfaces().create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(open_interfaces().set_up(kMacvlan));
  const unsigned first = ::if_nametoindex(kMacvlan);
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.vrrp/51.rp_filter=1");

  auto interfaces = open_interfaces();  // the next run of the program
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  CHECK(::if_nametoindex(kMacvlan) == first);
  CHECK(is_up(kMacvlan));
  CHECK(setting("ipv4/conf/vrrp.51/rp_filter") == "0");  // written again

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac6, Family::ipv6));
  const unsigned second = ::if_nametoindex(kMacvlan);
  CHECK(second != first);
  CHECK(mac_of(kMacvlan) == kMac6);
  CHECK_FALSE(is_up(kMacvlan));

  REQUIRE(interfaces.create(kMacvlan, "other0", kMac6, Family::ipv6));
  CHECK(::if_nametoindex(kMacvlan) != second);
  CHECK(succeeds("ip link show vrrp.51 | grep -q 'vrrp.51@other0'"));
}

TEST_CASE("an interface of that name that is not ours is never touched, and an absent parent is named") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto interfaces = open_interfaces();
  TwoNamespaces::run(
      "ip link add link left0 name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private");
  const unsigned index = ::if_nametoindex(kMacvlan);

  const auto created = interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4);
  REQUIRE_FALSE(created);
  CHECK(created.error().blame == Blame::configuration);
  CHECK(created.error().code == EEXIST);
  CHECK(created.error().text.find(kMacvlan) != std::string::npos);
  CHECK_FALSE(interfaces.set_up(kMacvlan));
  CHECK_FALSE(interfaces.set_down(kMacvlan));
  CHECK_FALSE(interfaces.remove(kMacvlan));
  CHECK(interfaces.list_own()->empty());
  CHECK(::if_nametoindex(kMacvlan) == index);
  CHECK_FALSE(is_up(kMacvlan));
  CHECK(setting("ipv4/conf/vrrp.51/arp_ignore") == "0");

  const auto orphan = interfaces.create("vrrp.52", "absent0", kMac4, Family::ipv4);
  REQUIRE_FALSE(orphan);
  CHECK(orphan.error().text.find("absent0") != std::string::npos);
}

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

TEST_CASE("advertisements of a virtual MAC leave as frames with it and are understood by a plain listener") {
  if (skipped_without_root()) return;
  struct Case {
    const char* virtual_address;
    const char* source;
    std::uint16_t ether_type;
  };
  for (const Case& each :
       {Case{"192.0.2.100", "192.0.2.1", ETH_P_IP}, Case{"fe80::100", "fe80::1", ETH_P_IPV6}}) {
    TwoNamespaces network;
    network.set_link_local();
    const RouterSettings settings = virtual_leg("left0", each.virtual_address);
    const MacAddress mac = settings.virtual_mac->address;
    auto interfaces = open_interfaces();
    REQUIRE(interfaces.create(kMacvlan, "left0", mac, settings.family()));
    auto sender = AdvertisementSocket::open(settings);
    REQUIRE(sender);
    CHECK(sender->fds().size() == 2);
    auto receiver =
        network.in_right([&] { return AdvertisementSocket::open(leg("right0", each.virtual_address)); });
    REQUIRE(receiver);
    const UniqueFd frames = network.in_right([&] { return capture(each.ether_type); });
    const ByteVector payload(24, 0x31);
    const IpAddress group = multicast_group(settings.family());

    for (const bool up : {false, true}) {
      if (up) REQUIRE(interfaces.set_up(kMacvlan));
      REQUIRE(within(3s, [&] { return sender->send(payload, ip(each.source), group).has_value(); }));
      const auto packet = next_packet(*receiver);
      REQUIRE(packet);
      CHECK(packet->ttl == 255);
      CHECK(packet->source == ip(each.source));
      CHECK(packet->destination == group);
      CHECK(std::ranges::equal(packet->payload, payload));
      CHECK(next_frame(frames, [&](const ByteVector& frame) {
        return frame.size() > 12 && std::equal(mac.bytes.begin(), mac.bytes.end(), frame.begin() + 6) &&
               std::ranges::equal(ByteSpan(frame).last(payload.size()), payload);
      }));
      CHECK_FALSE(*sender->receive());
    }
    const auto unicast = sender->send(payload, ip(each.source), ip(each.source));
    REQUIRE_FALSE(unicast);
    CHECK(unicast.error().blame == Blame::configuration);
  }
}

TEST_CASE(
    "a competing Active router of the same virtual MAC is heard, once, whether our macvlan is up or not") {
  if (skipped_without_root()) return;
  struct Case {
    const char* virtual_address;
    const char* source;
  };
  for (const Case& each : {Case{"192.0.2.100", "192.0.2.2"}, Case{"fe80::100", "fe80::2"}}) {
    CAPTURE(std::string(each.source));
    TwoNamespaces network;
    network.set_link_local();
    const RouterSettings settings = virtual_leg("left0", each.virtual_address);
    const Family family = settings.family();
    auto interfaces = open_interfaces();
    REQUIRE(interfaces.create(kMacvlan, "left0", settings.virtual_mac->address, family));
    auto left = AdvertisementSocket::open(settings);
    REQUIRE(left);
    auto competitor = network.in_right([&] {
      auto own = open_interfaces();
      REQUIRE(own.create(kMacvlan, "right0", settings.virtual_mac->address, family));
      return AdvertisementSocket::open(virtual_leg("right0", each.virtual_address));
    });
    auto plain =
        network.in_right([&] { return AdvertisementSocket::open(leg("right0", each.virtual_address)); });
    REQUIRE(competitor);
    REQUIRE(plain);

    std::uint8_t number = 0;
    const auto is_heard_once = [&](AdvertisementSocket& from) {
      const ByteVector packet{++number};
      REQUIRE(within(
          3s, [&] { return from.send(packet, ip(each.source), multicast_group(family)).has_value(); }));
      const auto heard = next_packet(*left);
      REQUIRE(heard);
      CHECK(heard->payload[0] == number);
      CHECK(heard->ttl == 255);
      CHECK(heard->source == ip(each.source));
    };
    is_heard_once(*competitor);  // down: by the parent
    is_heard_once(*plain);
    REQUIRE(interfaces.set_up(kMacvlan));
    is_heard_once(*competitor);  // up: by the macvlan

    // The macvlan gets a copy of what comes from other MACs, later: seen by a socket that takes all.
    auto copies = RawSocket::open({.interface = kMacvlan, .family = family});
    REQUIRE(copies);
    is_heard_once(*plain);
    CHECK(within(3s, [&] {
      const auto copy = copies->receive();
      REQUIRE(copy);
      return copy->has_value();
    }));
    CHECK_FALSE(*left->receive());

    REQUIRE(interfaces.set_down(kMacvlan));
    is_heard_once(*competitor);
    REQUIRE(interfaces.set_up(kMacvlan));
    is_heard_once(*competitor);
  }
}

TEST_CASE("a macvlan that was made again is heard again after the sockets have rejoined") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  const RouterSettings settings = virtual_leg("left0", "192.0.2.100");
  auto interfaces = open_interfaces();
  CHECK_FALSE(AdvertisementSocket::open(settings));  // no macvlan yet
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  auto left = AdvertisementSocket::open(settings);
  REQUIRE(left);
  auto competitor = network.in_right([&] {
    REQUIRE(open_interfaces().create(kMacvlan, "right0", kMac4, Family::ipv4));
    return AdvertisementSocket::open(virtual_leg("right0", "192.0.2.100"));
  });
  REQUIRE(competitor);
  const std::vector<int> descriptors(left->fds().begin(), left->fds().end());
  REQUIRE(interfaces.remove(kMacvlan));
  REQUIRE(left->rejoin());  // the parent stands, the macvlan does not: no error

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(left->rejoin());
  CHECK(std::ranges::equal(left->fds(), descriptors));
  REQUIRE(within(3s, [&] {
    return competitor->send(ByteVector(12), ip("192.0.2.2"), multicast_group(Family::ipv4)).has_value();
  }));
  CHECK(next_packet(*left));
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

TEST_CASE(
    "a loose reverse path filter for all interfaces leaves the macvlan its ears, a strict one does not") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  prepare_parent();
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  auto left = AdvertisementSocket::open(virtual_leg("left0", "192.0.2.100"));
  REQUIRE(left);
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(addresses->add({&kOnMacvlan, 1}, 30s));
  auto competitor = network.in_right([&] {
    REQUIRE(open_interfaces().create(kMacvlan, "right0", kMac4, Family::ipv4));
    return AdvertisementSocket::open(virtual_leg("right0", "192.0.2.100"));
  });
  REQUIRE(competitor);
  const auto advertise = [&] {
    return competitor->send(ByteVector(12), ip("192.0.2.2"), multicast_group(Family::ipv4)).has_value();
  };

  TwoNamespaces::run("sysctl -qw net.ipv4.conf.all.rp_filter=2");
  REQUIRE(within(3s, advertise));
  CHECK(next_packet(*left));
  CHECK(answers(network).back() == Answer{ip("192.0.2.100"), kMac4});

  TwoNamespaces::run("sysctl -qw net.ipv4.conf.all.rp_filter=1");
  const auto filtered = [] { return network_counter("IPReversePathFilter"); };
  const std::uint64_t before = filtered();
  REQUIRE(advertise());
  CHECK(within(3s, [&] { return filtered() > before; }));
  CHECK_FALSE(*left->receive());
}
