// The link watch against the real kernel, in network namespaces of its own. Needs root.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <thread>
#include <vector>

#include "tests/unit/vrrp/linux_support.hpp"
#include "tests/unit/vrrp/paused_thread.hpp"
#include "vrrp/linux/link_watch.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// Commands of ip, in one process.
void batch(const std::string& commands) {
  std::FILE* ip_program = ::popen("ip -batch -", "we");
  if (ip_program == nullptr) throw std::runtime_error("cannot run ip");
  const bool written = std::fputs(commands.c_str(), ip_program) >= 0;
  if (::pclose(ip_program) != 0 || !written) throw std::runtime_error("failed: " + commands.substr(0, 500));
}

std::vector<LinkChange> take_news(LinkWatch& watch) {
  LinkNews news = watch.read();
  CHECK_FALSE(news.trouble);
  return news.changes;
}

// other0 with fe80::77, of which the kernel has told all: it tells an IPv6 address a moment later.
void add_other_link() {
  batch("link add other0 type veth peer name peer0\n");
  auto watch = LinkWatch::open({"other0"});
  REQUIRE(watch);
  batch("address add fe80::77/64 dev other0 nodad\n");
  REQUIRE(within(3s, [&] {
    take_news(*watch);
    return watch->state(0).link_local == ip("fe80::77");
  }));
}

// Takes in events until the state of the only interface satisfies the condition.
template <typename Condition>
bool link_becomes(LinkWatch& watch, Condition condition) {
  return within(3s, [&] {
    take_news(watch);
    return condition(watch.state(0));
  });
}

}  // namespace

TEST_CASE("the link watch reports the state at the start, then link down and up") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.up; }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

  network.in_right([] { TwoNamespaces::run("ip link set right0 down"); });  // the carrier is gone
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.up; }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

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

  const VirtualAddress taken{"left0", *IpPrefix::parse("192.0.2.100/32")};
  REQUIRE(addresses->add({&taken, 1}, 60s));
  take_news(*watch);
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.ipv4; }));
  TwoNamespaces::run("ip address add 192.0.2.7/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.ipv4 == ip("192.0.2.7"); }));

  auto second = LinkWatch::open({"left0"});  // likewise from the tables
  REQUIRE(second);
  CHECK(second->state(0).ipv4 == ip("192.0.2.7"));
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
    for (const LinkChange& change : take_news(*watch)) recreated = recreated || change.recreated;
    return watch->state(0).ipv4 == ip("198.51.100.1");
  }));
  CHECK(recreated);
  CHECK(watch->state(0).index != first);
}

TEST_CASE("a change that falls into a loss of events, after the loss was noticed, is seen all the same") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);
  std::vector<VirtualAddress> many;
  for (std::uint8_t i = 0; i < 250; ++i) many.push_back({"left0", {IpAddress::ipv4({198, 51, 100, i}), 32}});
  while (watch->lost_events() == 0) {
    for (int times = 0; times < 20; ++times) {
      REQUIRE(addresses->add(many, 60s));
      REQUIRE(addresses->remove(many));
    }
    take_news(*watch);
  }

  // The kernel drops everything until the last waiting event has been read.
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.ipv4; }));
}

TEST_CASE("the link watch follows the IPv6 link-local address and leaves out those that cannot be used") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);
  CHECK(watch->state(0).link_local == ip("fe80::1"));  // from the tables
  CHECK(watch->state(0).address(Family::ipv6) == ip("fe80::1"));
  CHECK(watch->state(0).address(Family::ipv4) == ip("192.0.2.1"));

  TwoNamespaces::run("ip address add 2001:db8::1/64 dev left0 nodad");
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.link_local; }));
  TwoNamespaces::run("ip address add fe80::7/64 dev left0 nodad");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.link_local == ip("fe80::7"); }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

  // A virtual one, lower than ours.
  const VirtualAddress taken{"left0", *IpPrefix::parse("fe80::5/64")};
  REQUIRE(addresses->add({&taken, 1}, 60s));
  take_news(*watch);
  CHECK(watch->state(0).link_local == ip("fe80::7"));
  auto second = LinkWatch::open({"left0"});
  REQUIRE(second);
  CHECK(second->state(0).link_local == ip("fe80::7"));
}

TEST_CASE("a tentative link-local address counts once duplicate address detection is over") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  TwoNamespaces::run("ip address add fe80::9/64 dev left0");  // with detection, a second or two
  auto from_tables = LinkWatch::open({"left0"});
  REQUIRE(from_tables);
  take_news(*watch);
  CHECK_FALSE(from_tables->state(0).link_local);
  CHECK_FALSE(watch->state(0).link_local);

  CHECK(within(10s, [&] {
    take_news(*watch);
    return watch->state(0).link_local == ip("fe80::9");
  }));
}

TEST_CASE("a link-local address that the other node has too never counts") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  TwoNamespaces::run("ip address add fe80::2/64 dev left0");  // right0 has it

  CHECK(within(10s, [] {
    return std::system("ip -6 address show dev left0 | grep -q 'fe80::2/64.*dadfailed'") == 0;
  }));
  take_news(*watch);
  CHECK_FALSE(watch->state(0).link_local);
  auto from_tables = LinkWatch::open({"left0"});
  REQUIRE(from_tables);
  CHECK_FALSE(from_tables->state(0).link_local);
}

TEST_CASE(
    "the tables end as the last event says, whether they are older or newer than the events before it") {
  const LinkEvent first{.index = 5, .name = "left0", .up = true};
  const LinkEvent second{.index = 6, .name = "left0", .up = true};
  const AddressEvent address{.index = 6, .address = ip("192.0.2.1"), .prefix_length = 24};
  const std::vector<LinkTableEvent> events{first, LinkEvent{.index = 5, .name = "left0", .deleted = true},
                                           second, address};
  LinkTables newer({"left0"});
  newer.apply(second);
  newer.apply(address);
  LinkTables older({"left0"});
  older.apply(first);
  for (LinkTables* tables : {&newer, &older}) {
    for (const LinkTableEvent& event : events) tables->apply(event);
    CHECK(tables->state(0).index == 6);
    CHECK(tables->state(0).ipv4 == ip("192.0.2.1"));
  }
  CHECK_FALSE(newer.apply(second));  // known: nothing is missing
  CHECK(newer.apply(first));
  CHECK_FALSE(newer.state(0).ipv4);  // not that of the one before
}

TEST_CASE("events count while the tables are read, and are not undone by them; each change is told once") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0", "dummy0"});
  REQUIRE(watch);
  std::vector<LinkChange> told;
  const auto tell = [&] {
    for (LinkChange& change : take_news(*watch)) told.push_back(std::move(change));
  };
  {
    const PausedThread reader("ftfw-links");
    add_other_link();
    batch(
        "address add 198.51.100.1/24 dev other0\naddress add 198.51.100.129/25 dev other0\n"
        "link set other0 name dummy0\n");
    REQUIRE(within(3s, [&] {
      tell();
      return watch->state(1).exists();
    }));
    // The kernel tells the IPv4 addresses anew after a renaming, and for the others it has to be asked.
    CHECK_FALSE(watch->state(1).link_local);
    batch(
        "address delete 192.0.2.1/24 dev left0\naddress add 192.0.2.9/24 dev left0\n"
        "address delete 198.51.100.1/24 dev dummy0\n");
    REQUIRE(within(3s, [&] {
      tell();
      return watch->state(0).ipv4 == ip("192.0.2.9");
    }));
  }
  REQUIRE(within(3s, [&] {
    tell();
    return watch->state(1).link_local == ip("fe80::77");
  }));
  CHECK(watch->state(1).ipv4 == ip("198.51.100.129"));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.9"));
  std::array<LinkState, 2> last;
  for (const LinkChange& change : told) {
    CHECK(change.state != last.at(change.interface));
    last.at(change.interface) = change.state;
  }
  CHECK(last[0] == watch->state(0));
  CHECK(last[1] == watch->state(1));
  CHECK(std::ranges::count_if(told, [](const LinkChange& change) { return change.recreated; }) == 1);
}

TEST_CASE("more events than are kept while the tables are read: the tables are read once more") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0", "dummy0"});
  REQUIRE(watch);
  {
    const PausedThread reader("ftfw-links");
    add_other_link();
    batch("link set other0 name dummy0\n");
    REQUIRE(within(3s, [&] {
      take_news(*watch);
      return watch->state(1).exists();
    }));
    std::string storm;
    for (int i = 0; i < 1200; ++i) {
      const std::string address =
          "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "/32";
      storm += "address add " + address + " dev left0\naddress delete " + address + " dev left0\n";
    }
    batch(storm + "address delete 192.0.2.1/24 dev left0\n");
    REQUIRE(link_becomes(*watch, [](const LinkState& state) { return !state.ipv4; }));
  }
  CHECK(link_becomes(*watch, [&](const LinkState&) { return watch->state(1).link_local == ip("fe80::77"); }));
  CHECK_FALSE(watch->state(0).ipv4);
  CHECK(watch->lost_events() == 0);
}

TEST_CASE("an interface that is made anew again and again, with addresses, is known as it is at the end") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"dummy0"});
  REQUIRE(watch);
  std::jthread others([](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      const std::string address = "198.51.100." + std::to_string(i % 200 + 1);
      batch("link add other0 type veth peer name peer0\naddress add " + address +
            "/24 dev other0\nlink set other0 name dummy0\naddress add 203.0.113.1/24 dev dummy0\n"
            "address delete " +
            address + "/24 dev dummy0\nlink delete dummy0\n");
    }
  });
  int recreated = 0;
  const bool often = within(20s, [&] {
    for (const LinkChange& change : take_news(*watch)) recreated += change.recreated ? 1 : 0;
    return recreated >= 5;
  });
  others.request_stop();
  others.join();
  REQUIRE(often);
  batch(
      "link add other0 type veth peer name peer0\naddress add 198.51.100.77/24 dev other0\n"
      "link set other0 name dummy0\nlink set dummy0 up\nlink set peer0 up\n");
  CHECK(link_becomes(*watch, [](const LinkState& state) {
    return state.up && state.ipv4 == ip("198.51.100.77") && state.link_local;
  }));
}

TEST_CASE(
    "of an interface with more addresses than a datagram holds none is missed while others are removed") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"dummy0"});
  REQUIRE(watch);
  std::string make = "link add other0 type veth peer name peer0\naddress add fe80::77/64 dev other0 nodad\n";
  std::string remove;
  for (int i = 0; i < 1500; ++i) {
    const std::string address = "2001:db8::" + std::to_string(i) + "/64 dev ";
    make += "address add " + address + "other0 nodad\n";
    if (i % 2 == 0) remove += "address delete " + address + "dummy0\n";
  }
  batch(make);
  std::jthread others([&remove] { batch("link set other0 name dummy0\n" + remove); });
  CHECK(within(10s, [&] {
    take_news(*watch);
    return watch->state(0).link_local == ip("fe80::77");
  }));
  others.join();
  take_news(*watch);
  CHECK(watch->state(0).link_local == ip("fe80::77"));
}

TEST_CASE("tables that cannot be read are told once, and read as soon as they can be") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0", "dummy0"});
  REQUIRE(watch);
  add_other_link();
  batch("link set other0 name dummy0\n");
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = usual.rlim_max};  // no further descriptor
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  int told = 0;
  const auto read = [&] { told += watch->read().trouble ? 1 : 0; };
  const bool failed = within(3s, [&] {
    read();
    return told > 0;
  });
  // For more than one attempt.
  within(500ms, [&] {
    read();
    return told > 1;
  });
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
  CHECK(failed);
  CHECK(told == 1);
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));
  CHECK_FALSE(watch->state(1).link_local);
  CHECK(within(3s, [&] {
    read();
    return watch->state(1).link_local == ip("fe80::77");
  }));
  CHECK(told == 1);
}
