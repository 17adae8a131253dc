// The kernel adapters against the real kernel, in network namespaces of their own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "appliance/base/netlink_socket.hpp"
#include "tests/unit/vrrp/two_namespaces.hpp"
#include "vrrp/announcement.hpp"
#include "vrrp/linux/advertisement_socket.hpp"
#include "vrrp/linux/announcer.hpp"
#include "vrrp/linux/link_watch.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using ftfw::test::TwoNamespaces;
using ftfw::test::within;

namespace {

bool skipped_without_root() {
  if (::geteuid() == 0) return false;
  MESSAGE("skipped: network namespaces need root");
  return true;
}

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}
const VirtualAddress kVirtual{"left0", *IpPrefix::parse("192.0.2.100/32")};
const std::vector<std::string> kInterfaces{"left0"};

struct KernelAddress {
  std::uint8_t protocol = 0;
  std::uint32_t valid_seconds = 0;
  std::uint32_t flags = 0;
};

// What the kernel says about one address, read without the code under test.
std::optional<KernelAddress> kernel_address(const IpAddress& wanted) {
  auto socket = NetlinkSocket::open({.bus = NETLINK_ROUTE});
  REQUIRE(socket);
  alignas(nlmsghdr) std::array<std::uint8_t, 64> request{};
  nlmsghdr* header = mnl_nlmsg_put_header(request.data());
  header->nlmsg_type = RTM_GETADDR;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(ifaddrmsg)))->ifa_family = AF_INET;
  REQUIRE(socket->send(ByteSpan(request).first(header->nlmsg_len)));
  std::optional<KernelAddress> found;
  alignas(nlmsghdr) std::array<std::uint8_t, 32768> buffer;
  for (bool done = false; !done;) {
    const auto got = socket->receive(buffer);
    REQUIRE(got);
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      done = message.nlmsg_type == NLMSG_DONE;
      if (message.nlmsg_type != RTM_NEWADDR) return !done;
      std::array<const nlattr*, IFA_PROTO + 1> attributes{};
      mnl_attr_parse(
          &message, sizeof(ifaddrmsg),
          [](const nlattr* attribute, void* into) {
            auto& table = *static_cast<std::array<const nlattr*, IFA_PROTO + 1>*>(into);
            if (mnl_attr_get_type(attribute) < table.size())
              table.at(mnl_attr_get_type(attribute)) = attribute;
            return MNL_CB_OK;
          },
          &attributes);
      const auto* local = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attributes[IFA_LOCAL]));
      if (IpAddress::from_bytes({local, 4}) != wanted) return true;
      found.emplace();
      if (attributes[IFA_PROTO] != nullptr) found->protocol = mnl_attr_get_u8(attributes[IFA_PROTO]);
      if (attributes[IFA_FLAGS] != nullptr) found->flags = mnl_attr_get_u32(attributes[IFA_FLAGS]);
      if (attributes[IFA_CACHEINFO] != nullptr) {
        found->valid_seconds =
            static_cast<const ifa_cacheinfo*>(mnl_attr_get_payload(attributes[IFA_CACHEINFO]))->ifa_valid;
      }
      return true;
    });
  }
  return found;
}

// The next packet, waited for.
std::optional<ReceivedPacket> next_packet(AdvertisementSocket& socket) {
  std::optional<ReceivedPacket> packet;
  within(2s, [&] {
    auto got = socket.receive();
    REQUIRE(got);
    packet = *got;
    return packet.has_value();
  });
  return packet;
}

// Takes in events until the state of the only interface satisfies the condition.
template <typename Condition>
bool link_becomes(LinkWatch& watch, Condition condition) {
  return within(3s, [&] {
    REQUIRE(watch.read());
    return condition(watch.state(0));
  });
}

}  // namespace

TEST_CASE("an advertisement arrives with TTL 255, its source, its destination and its exact payload") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto sender = AdvertisementSocket::open("left0");
  REQUIRE(sender);
  auto receiver = network.in_right([] { return AdvertisementSocket::open("right0"); });
  REQUIRE(receiver);
  const ByteVector payload{0x31, 1, 2, 3, 4, 5, 6, 7, 8};

  REQUIRE(within(3s, [&] { return sender->send(payload, ip("192.0.2.1")).has_value(); }));
  const auto packet = next_packet(*receiver);

  REQUIRE(packet);
  CHECK(packet->ttl == 255);
  CHECK(packet->source == ip("192.0.2.1"));
  CHECK(packet->destination == multicast_group_ipv4());
  CHECK(std::ranges::equal(packet->payload, payload));
  CHECK_FALSE(*receiver->receive());
  CHECK_FALSE(*sender->receive());  // its own packet does not come back
}

TEST_CASE("the named source is used although a virtual address stands on the interface") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("ip address add 198.51.100.7/32 dev left0");
  auto sender = AdvertisementSocket::open("left0");
  auto receiver = network.in_right([] { return AdvertisementSocket::open("right0"); });
  REQUIRE(sender);
  REQUIRE(receiver);

  REQUIRE(within(3s, [&] { return sender->send(ByteVector(12), ip("198.51.100.7")).has_value(); }));
  CHECK(next_packet(*receiver)->source == ip("198.51.100.7"));
  REQUIRE(sender->send(ByteVector(12), ip("192.0.2.1")));
  CHECK(next_packet(*receiver)->source == ip("192.0.2.1"));
}

TEST_CASE("sockets send and hear again after their interfaces were deleted, made anew and rejoined") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto sender = AdvertisementSocket::open("left0");
  auto receiver = network.in_right([] { return AdvertisementSocket::open("right0"); });
  REQUIRE(sender);
  REQUIRE(receiver);
  TwoNamespaces::run("ip link delete left0");
  CHECK_FALSE(sender->rejoin());  // no such interface
  CHECK_FALSE(sender->send(ByteVector(12), ip("192.0.2.1")));

  network.connect();
  REQUIRE(sender->rejoin());
  REQUIRE(network.in_right([&] { return receiver->rejoin(); }));
  REQUIRE(sender->rejoin());  // twice is harmless

  REQUIRE(within(3s, [&] { return sender->send(ByteVector(12), ip("192.0.2.1")).has_value(); }));
  CHECK(next_packet(*receiver));
}

TEST_CASE("an interface that does not exist is an error that names it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  const auto socket = AdvertisementSocket::open("absent0");
  REQUIRE_FALSE(socket);
  CHECK(socket.error().text.find("absent0") != std::string::npos);
  CHECK(socket.error().code == ENODEV);
}

TEST_CASE("the link watch reports the state at the start, then link down and up") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.up; }));
  CHECK(watch->state(0).primary_address == ip("192.0.2.1"));

  network.in_right([] { TwoNamespaces::run("ip link set right0 down"); });  // the carrier is gone
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.up; }));
  CHECK(watch->state(0).primary_address == ip("192.0.2.1"));

  network.in_right([] { TwoNamespaces::run("ip link set right0 up"); });
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.up; }));

  TwoNamespaces::run("ip link set left0 down");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.up; }));
}

TEST_CASE("the link watch follows the primary address and never takes a virtual one for it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);

  REQUIRE(addresses->add({&kVirtual, 1}, 60s));
  REQUIRE(watch->read());
  CHECK(watch->state(0).primary_address == ip("192.0.2.1"));
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.primary_address; }));
  TwoNamespaces::run("ip address add 192.0.2.7/24 dev left0");
  CHECK(
      link_becomes(*watch, [](const LinkState& state) { return state.primary_address == ip("192.0.2.7"); }));

  auto second = LinkWatch::open({"left0"});  // likewise from the tables
  REQUIRE(second);
  CHECK(second->state(0).primary_address == ip("192.0.2.7"));
}

TEST_CASE("the link watch reports a deleted interface and its successor as another one") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"dummy0"});
  REQUIRE(watch);
  CHECK_FALSE(watch->state(0).exists());

  TwoNamespaces::run("ip link add dummy0 type veth peer name peer0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.exists(); }));
  const int first = watch->state(0).index;
  TwoNamespaces::run("ip link delete dummy0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.exists(); }));

  // An address that came before the name: the interface is renamed into place.
  TwoNamespaces::run("ip link add other0 type veth peer name peer0");
  TwoNamespaces::run("ip address add 198.51.100.1/24 dev other0");
  TwoNamespaces::run("ip link set other0 name dummy0");
  bool recreated = false;
  CHECK(within(3s, [&] {
    const auto changes = watch->read();
    REQUIRE(changes);
    for (const LinkChange& change : *changes) recreated = recreated || change.recreated;
    return watch->state(0).primary_address == ip("198.51.100.1");
  }));
  CHECK(recreated);
  CHECK(watch->state(0).index != first);
}

TEST_CASE(
    "a virtual address carries our protocol, a lifetime and no route of its own, also after a renewal") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);

  REQUIRE(addresses->add({&kVirtual, 1}, 30s));
  const auto added = kernel_address(ip("192.0.2.100"));
  REQUIRE(added);
  CHECK(added->protocol == kAddressProtocol);
  CHECK(added->valid_seconds > 25);
  CHECK(added->valid_seconds <= 30);
  CHECK((added->flags & IFA_F_NOPREFIXROUTE) != 0);
  CHECK((added->flags & IFA_F_PERMANENT) == 0);

  REQUIRE(addresses->renew({&kVirtual, 1}, 60s));
  const auto renewed = kernel_address(ip("192.0.2.100"));
  REQUIRE(renewed);
  CHECK(renewed->protocol == kAddressProtocol);
  CHECK(renewed->valid_seconds > 55);
  CHECK((renewed->flags & IFA_F_NOPREFIXROUTE) != 0);

  REQUIRE(addresses->add({&kVirtual, 1}, 90s));  // adding twice renews
  CHECK(kernel_address(ip("192.0.2.100"))->valid_seconds > 85);
  CHECK(addresses->list_own(kInterfaces) == std::vector{kVirtual});

  REQUIRE(addresses->remove({&kVirtual, 1}));
  CHECK_FALSE(kernel_address(ip("192.0.2.100")));
  CHECK(addresses->remove({&kVirtual, 1}));  // gone already
}

TEST_CASE("the kernel ends an address that is not renewed within its lifetime and one second") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  const Instant added = monotonic_now();
  REQUIRE(addresses->add({&kVirtual, 1}, 2s));

  CHECK(within(6s, [] { return !kernel_address(ip("192.0.2.100")); }));

  const Duration stood = monotonic_now() - added;
  CHECK(stood > 1900ms);
  CHECK(stood < 4s);
}

TEST_CASE("many addresses are added in one batch; one that cannot be is named and the socket goes on") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  std::vector<VirtualAddress> many;
  for (std::uint8_t i = 0; i < 200; ++i) many.push_back({"left0", {IpAddress::ipv4({198, 51, 100, i}), 32}});
  REQUIRE(addresses->add(many, 30s));
  CHECK(addresses->list_own(kInterfaces)->size() == 200);

  const auto refused = addresses->add({&kVirtual, 1}, 0s);  // the kernel takes no lifetime of 0
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("192.0.2.100") != std::string::npos);

  const VirtualAddress nowhere{"absent0", *IpPrefix::parse("192.0.2.100/32")};
  const auto absent = addresses->add({&nowhere, 1}, 30s);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().text.find("absent0") != std::string::npos);

  REQUIRE(addresses->renew(many, 60s));
  REQUIRE(addresses->remove(many));
  CHECK_FALSE(kernel_address(ip("198.51.100.0")));
}

TEST_CASE("an interface that is gone does not keep the addresses of the others from being renewed") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(addresses->add({&kVirtual, 1}, 30s));
  const std::vector<VirtualAddress> both{{"absent0", *IpPrefix::parse("198.51.100.1/32")}, kVirtual};

  const auto renewed = addresses->renew(both, 90s);

  REQUIRE_FALSE(renewed);
  CHECK(renewed.error().text.find("absent0") != std::string::npos);
  CHECK(kernel_address(ip("192.0.2.100"))->valid_seconds > 85);
}

TEST_CASE("an administrator's address equal to a virtual one is refused and left as it is") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  TwoNamespaces::run("ip address add 192.0.2.100/24 dev left0");  // another prefix length is the same address

  const auto added = addresses->add({&kVirtual, 1}, 30s);

  REQUIRE_FALSE(added);
  CHECK(added.error().blame == Blame::configuration);
  CHECK(added.error().code == EEXIST);
  CHECK(added.error().text.find("192.0.2.100") != std::string::npos);
  REQUIRE(addresses->remove({&kVirtual, 1}));
  const auto left = kernel_address(ip("192.0.2.100"));
  REQUIRE(left);
  CHECK(left->protocol == 0);
  CHECK((left->flags & IFA_F_PERMANENT) != 0);
  CHECK(addresses->list_own(kInterfaces)->empty());
}

TEST_CASE("addresses left by a former run are found, those of others are not") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  {
    auto former = VirtualAddresses::open();
    REQUIRE(former);
    REQUIRE(former->add({&kVirtual, 1}, 30s));
  }
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  CHECK(addresses->list_own(kInterfaces) == std::vector{kVirtual});
}

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
