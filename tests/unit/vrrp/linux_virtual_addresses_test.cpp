// Virtual addresses in the real kernel, in network namespaces of their own. Needs root.
#include <doctest/doctest.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "appliance/base/netlink_socket.hpp"
#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

const VirtualAddress kVirtual{"left0", *IpPrefix::parse("192.0.2.100/32")};
const std::vector<std::string> kInterfaces{"left0"};

struct KernelAddress {
  std::uint8_t protocol = 0;
  std::uint8_t scope = 0;
  std::uint32_t preferred_seconds = 0;
  std::uint32_t valid_seconds = 0;
  std::uint32_t flags = 0;
  std::string label;
};

using Attributes = std::array<const nlattr*, IFA_PROTO + 1>;

Attributes attributes_of(const nlmsghdr& message) {
  Attributes attributes{};
  mnl_attr_parse(
      &message, sizeof(ifaddrmsg),
      [](const nlattr* attribute, void* into) {
        auto& table = *static_cast<Attributes*>(into);
        if (mnl_attr_get_type(attribute) < table.size()) table.at(mnl_attr_get_type(attribute)) = attribute;
        return MNL_CB_OK;
      },
      &attributes);
  return attributes;
}

std::optional<IpAddress> address_in(const Attributes& attributes) {
  const nlattr* address = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (address == nullptr) return std::nullopt;
  return IpAddress::from_bytes(
      {static_cast<const std::uint8_t*>(mnl_attr_get_payload(address)), mnl_attr_get_payload_len(address)});
}

KernelAddress describe(const nlmsghdr& message) {
  const Attributes attributes = attributes_of(message);
  KernelAddress found;
  found.scope = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message))->ifa_scope;
  if (attributes[IFA_PROTO] != nullptr) found.protocol = mnl_attr_get_u8(attributes[IFA_PROTO]);
  if (attributes[IFA_FLAGS] != nullptr) found.flags = mnl_attr_get_u32(attributes[IFA_FLAGS]);
  if (attributes[IFA_LABEL] != nullptr) found.label = mnl_attr_get_str(attributes[IFA_LABEL]);
  if (attributes[IFA_CACHEINFO] != nullptr) {
    const auto* times = static_cast<const ifa_cacheinfo*>(mnl_attr_get_payload(attributes[IFA_CACHEINFO]));
    found.preferred_seconds = times->ifa_prefered;
    found.valid_seconds = times->ifa_valid;
  }
  return found;
}

// What the kernel says about one address, read without the code under test.
std::optional<KernelAddress> kernel_address(const IpAddress& wanted) {
  auto socket = NetlinkSocket::open({.bus = NETLINK_ROUTE});
  REQUIRE(socket);
  alignas(nlmsghdr) std::array<std::uint8_t, 64> request{};
  nlmsghdr* header = mnl_nlmsg_put_header(request.data());
  header->nlmsg_type = RTM_GETADDR;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  mnl_nlmsg_put_extra_header(header, sizeof(ifaddrmsg));
  REQUIRE(socket->send(ByteSpan(request).first(header->nlmsg_len)));
  std::optional<KernelAddress> found;
  alignas(nlmsghdr) std::array<std::uint8_t, 32768> buffer;
  for (bool done = false; !done;) {
    const auto got = socket->receive(buffer);
    REQUIRE(got);
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      done = message.nlmsg_type == NLMSG_DONE;
      if (message.nlmsg_type == RTM_NEWADDR && address_in(attributes_of(message)) == wanted)
        found = describe(message);
      return !done;
    });
  }
  return found;
}

}  // namespace

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

TEST_CASE("an IPv6 host address is usable at once, is no source, and keeps all of that through renewals") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  const VirtualAddress host{"left0", *IpPrefix::parse("2001:db8::100/128")};
  const auto check = [](std::uint32_t most, std::uint32_t least) {
    const auto stands = kernel_address(ip("2001:db8::100"));
    REQUIRE(stands);
    CHECK(stands->protocol == kAddressProtocol);
    CHECK(stands->flags == (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_DEPRECATED));
    CHECK(stands->preferred_seconds == 0);
    CHECK(stands->valid_seconds > least);
    CHECK(stands->valid_seconds <= most);
  };

  REQUIRE(addresses->add({&host, 1}, 30s));
  check(30, 25);
  REQUIRE(addresses->renew({&host, 1}, 60s));
  check(60, 55);
  REQUIRE(addresses->add({&host, 1}, 90s));
  check(90, 85);
  CHECK(addresses->list_own(kInterfaces) == std::vector{host});

  REQUIRE(addresses->remove({&host, 1}));
  CHECK_FALSE(kernel_address(ip("2001:db8::100")));
  CHECK(addresses->remove({&host, 1}));
}

TEST_CASE("an IPv6 link-local address stays preferred and keeps the route of its prefix") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  TwoNamespaces::run("ip link add alone0 type veth peer name alone1");
  TwoNamespaces::run("sysctl -qw net.ipv6.conf.alone0.addr_gen_mode=1");
  TwoNamespaces::run("ip link set alone0 up");
  const VirtualAddress link_local{"alone0", *IpPrefix::parse("fe80::100/64")};

  REQUIRE(addresses->add({&link_local, 1}, 30s));
  CHECK(kernel_address(ip("fe80::100"))->preferred_seconds > 25);
  CHECK(succeeds("ip -6 route show dev alone0 | grep fe80::/64"));
  REQUIRE(addresses->renew({&link_local, 1}, 90s));

  const auto renewed = kernel_address(ip("fe80::100"));
  REQUIRE(renewed);
  CHECK(renewed->protocol == kAddressProtocol);
  CHECK(renewed->flags == IFA_F_NODAD);
  CHECK(renewed->preferred_seconds > 85);
  CHECK(succeeds("ip -6 route show dev alone0 | grep -E 'fe80::/64.*expires (8[5-9]|90)sec'"));
}

TEST_CASE("link-local addresses are added before the others") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  auto events = NetlinkSocket::open({.bus = NETLINK_ROUTE, .groups = RTMGRP_IPV6_IFADDR, .blocking = false});
  REQUIRE(addresses);
  REQUIRE(events);
  const std::vector<VirtualAddress> wanted{{"left0", *IpPrefix::parse("2001:db8::100/128")},
                                           {"left0", *IpPrefix::parse("fe80::100/64")}};
  REQUIRE(addresses->add(wanted, 30s));

  std::vector<IpAddress> order;
  alignas(nlmsghdr) std::array<std::uint8_t, 32768> buffer;
  CHECK(within(3s, [&] {
    const auto got = events->receive(buffer);
    REQUIRE(got);
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      if (describe(message).protocol == kAddressProtocol)
        order.push_back(*address_in(attributes_of(message)));
      return true;
    });
    return order.size() >= 2;
  }));
  CHECK(order == std::vector{ip("fe80::100"), ip("2001:db8::100")});
}

TEST_CASE(
    "scope, label and a missing prefix route are set, and put right on an address that stands otherwise") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  VirtualAddress address{.interface = "left0",
                         .address = *IpPrefix::parse("198.51.100.7/24"),
                         .scope = config::AddressScope::link,
                         .label = "left0:v",
                         .no_prefix_route = true};
  REQUIRE(addresses->add({&address, 1}, 30s));
  auto stands = kernel_address(ip("198.51.100.7"));
  REQUIRE(stands);
  CHECK(stands->scope == RT_SCOPE_LINK);
  CHECK(stands->label == "left0:v");
  CHECK((stands->flags & IFA_F_NOPREFIXROUTE) != 0);
  CHECK_FALSE(succeeds("ip route show | grep 198.51.100.0/24"));
  REQUIRE(addresses->renew({&address, 1}, 60s));
  CHECK(kernel_address(ip("198.51.100.7"))->label == "left0:v");

  address.label = "";
  address.scope = config::AddressScope::global;
  address.no_prefix_route = false;
  REQUIRE(addresses->add({&address, 1}, 30s));
  stands = kernel_address(ip("198.51.100.7"));
  REQUIRE(stands);
  CHECK(stands->scope == RT_SCOPE_UNIVERSE);
  CHECK(stands->label == "left0");
  CHECK((stands->flags & IFA_F_NOPREFIXROUTE) == 0);
  CHECK(succeeds("ip route show | grep 198.51.100.0/24"));
  REQUIRE(addresses->remove({&address, 1}));
  CHECK_FALSE(kernel_address(ip("198.51.100.7")));
}

TEST_CASE("somebody else's link-local address is in the way on the same interface only") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  TwoNamespaces::run("ip link add other0 type veth peer name other1");
  TwoNamespaces::run("ip link set other0 up");
  TwoNamespaces::run("ip address add fe80::100/64 dev other0 nodad");
  const VirtualAddress link_local{"left0", *IpPrefix::parse("fe80::100/64")};
  REQUIRE(addresses->add({&link_local, 1}, 30s));
  REQUIRE(addresses->remove({&link_local, 1}));
  CHECK(kernel_address(ip("fe80::100")));  // other0's

  TwoNamespaces::run("ip address add fe80::100/64 dev left0 nodad");
  const auto refused = addresses->add({&link_local, 1}, 30s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EEXIST);
}
