// The filter on the event socket against the real kernel: each event is judged by it and by sync/filter.hpp,
// and both must say the same.
#include <doctest/doctest.h>

#include <random>

#include "sync/filter.hpp"
#include "sync/linux/event_filter.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_events.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

// What arrives of one create and one delete of each entry, compared with what the user-space filter lets
// through.
void check_filter(const Settings& settings, const std::vector<ConntrackEntry>& entries) {
  ConntrackTable other = open_table();
  const Filter filter(settings);
  Capture capture = open_capture({.filter = {.protocols = settings.protocols,
                                             .local_addresses = settings.local_addresses,
                                             .excluded_networks = settings.excluded_networks,
                                             .unanswered_tcp = filter.sends_unanswered()}});
  Capture everything = open_capture({});
  for (const ConntrackEntry& entry : entries) {
    CAPTURE(entry.key.original.source.to_string());
    CAPTURE(entry.key.original.destination.to_string());
    CAPTURE(entry.reply.source.to_string());
    CAPTURE(int{entry.key.original.protocol});
    REQUIRE(create(other, entry) == 0);
    const auto all = all_events(everything);
    REQUIRE(all.size() == 1);
    // As the kernel tells it: the reply tuple is what its translation made of it.
    const ConntrackEntry told = conntrack(all.front()).entry;
    const bool covered = filter.covers(told) && !filter.awaits_reply(told);
    CHECK(all_events(capture).size() == (covered ? 1 : 0));
    REQUIRE(result_of(other, DeleteConntrack{entry.key}) == 0);
    CHECK(all_events(everything).size() == 1);
    CHECK(all_events(capture).size() == (covered ? 1 : 0));
  }
}

ConntrackEntry any_entry(std::uint8_t protocol, std::string_view source, std::string_view destination,
                         std::string_view translated_to = {}) {
  ConntrackEntry entry = plain_entry(tuple(protocol, source, 1024, destination, 80));
  if (protocol == IPPROTO_TCP) entry.tcp = TcpInfo{.state = TcpState::established};
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
    entry.key.original.source_port = 7;
    entry.key.original.destination_port = (protocol == IPPROTO_ICMP ? 8 : 128) << 8;  // an echo request
    entry.reply = entry.key.original.inverse();
  }
  if (!translated_to.empty()) entry.reply.source = address(translated_to);
  return entry;
}

TEST_CASE("the filter in the kernel lets through what the filter of the engine lets through: by hand") {
  NetworkNamespace space;
  if (!space) return;
  Settings settings;
  settings.protocols = {IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6};
  settings.local_addresses = {address("192.168.0.100"), address("127.0.0.1"), address("fd00::100"),
                              address("fd00::1:0:0:100")};
  check_filter(settings,
               {
                   any_entry(IPPROTO_TCP, "192.168.2.3", "192.168.0.3"),
                   any_entry(IPPROTO_UDP, "192.168.2.3", "192.168.0.3"),  // another protocol
                   any_entry(IPPROTO_ICMP, "192.168.2.3", "192.168.0.3"),
                   any_entry(IPPROTO_TCP, "192.168.0.100", "192.168.0.3"),  // from the firewall
                   any_entry(IPPROTO_TCP, "192.168.2.3", "192.168.0.100"),  // to it
                   // A port forwarding: the destination is ours, who answers is not.
                   any_entry(IPPROTO_TCP, "192.168.2.3", "192.168.0.100", "192.168.0.3"),
                   // Redirected to the firewall: who answers is ours.
                   any_entry(IPPROTO_TCP, "192.168.2.3", "198.51.100.1", "192.168.0.100"),
                   any_entry(IPPROTO_TCP, "127.0.0.1", "127.0.0.2"),
                   any_entry(IPPROTO_TCP, "127.0.0.2", "127.0.0.3"),        // not in the list
                   any_entry(IPPROTO_TCP, "192.168.0.101", "192.168.0.3"),  // one bit beside it
                   any_entry(IPPROTO_TCP, "fd00::3", "fd00::4"),
                   any_entry(IPPROTO_UDP, "fd00::3", "fd00::4"),
                   any_entry(IPPROTO_ICMPV6, "fd00::3", "fd00::4"),
                   any_entry(IPPROTO_TCP, "fd00::100", "fd00::4"),
                   any_entry(IPPROTO_TCP, "fd00::3", "fd00::100"),
                   any_entry(IPPROTO_TCP, "fd00::1:0:0:100", "fd00::4"),
                   any_entry(IPPROTO_TCP, "fd00::2:0:0:100", "fd00::4"),  // three words of four are the same
                   any_entry(IPPROTO_TCP, "fd00:1::100", "fd00::4"),
                   any_entry(IPPROTO_TCP, "fd00::101", "fd00::4"),
               });
}

TEST_CASE("the filter in the kernel lets through what the filter of the engine lets through: at random") {
  NetworkNamespace space;
  if (!space) return;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto some = [&random](bool ipv6) {
      // Few bits, so that local addresses are met often.
      const std::string last = std::to_string(1 + random() % 6);
      const std::string middle = std::to_string(random() % 2);
      return ipv6 ? "fd00:" + middle + "::" + last : "10." + middle + ".0." + last;
    };
    Settings settings;
    // Seed 1: every protocol. Seed 2: no local address. Seed 3: the longest program.
    for (unsigned i = 0; seed != 1 && i < (seed == 3 ? 255 : 4); ++i) {
      const std::uint8_t known[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6};
      settings.protocols.push_back(seed == 3 ? static_cast<std::uint8_t>(i) : known[random() % 4]);
    }
    for (unsigned i = 0; seed != 2 && i < 4; ++i) {
      settings.local_addresses.push_back(address(some(false)));
      settings.local_addresses.push_back(address(some(true)));
    }
    for (unsigned i = 0; seed == 3 && i < 200; ++i) {
      const std::string number = std::to_string(i);
      settings.local_addresses.insert(settings.local_addresses.begin(), address("172.16.0." + number));
      settings.local_addresses.insert(settings.local_addresses.begin(), address("fd99::" + number));
    }
    // Beyond its limit the kernel's filter lets pass what the engine's drops.
    if (seed == 3) {
      settings.local_addresses.resize(2 * kMaxFilteredAddresses);
    }
    std::vector<ConntrackEntry> entries;
    for (int i = 0; i < 300; ++i) {
      const bool ipv6 = random() % 2 == 0;
      const std::uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP,
                                        ipv6 ? std::uint8_t{IPPROTO_ICMPV6} : std::uint8_t{IPPROTO_ICMP}};
      const std::string destination = some(ipv6);
      std::string source = some(ipv6);
      while (source == destination) source = some(ipv6);
      const std::string translated = some(ipv6);
      entries.push_back(any_entry(protocols[random() % 3], source, destination,
                                  random() % 3 == 0 && translated != source ? translated : std::string()));
    }
    check_filter(settings, entries);
  }
}

TEST_CASE(
    "flows with an end in an excluded network are dropped in the kernel, of both families and any length") {
  NetworkNamespace space;
  if (!space) return;
  const std::vector<ConntrackEntry> entries{
      any_entry(IPPROTO_TCP, "10.1.2.3", "192.168.0.3"),
      any_entry(IPPROTO_TCP, "10.1.3.3", "192.168.0.3"),
      any_entry(IPPROTO_UDP, "192.168.0.3", "10.1.2.3"),
      any_entry(IPPROTO_UDP, "192.168.0.4", "10.1.3.3"),
      any_entry(IPPROTO_TCP, "192.168.2.3", "192.168.0.100", "10.1.2.9"),  // forwarded to one of these
      any_entry(IPPROTO_TCP, "192.168.2.4", "192.168.0.100", "10.1.3.9"),
      any_entry(IPPROTO_TCP, "2001:db8:1:2::3", "fd00::4"),
      any_entry(IPPROTO_TCP, "2001:db8:1:3::3", "fd00::4"),
      any_entry(IPPROTO_TCP, "fd00::4", "2001:db8:1:2:8000::1"),
      any_entry(IPPROTO_TCP, "fd00::4", "2001:db8:1:2:7fff::1"),
      any_entry(IPPROTO_TCP, "fd00::5", "fd00::6"),
  };
  for (const char* network :
       {"10.1.2.0/24", "10.1.2.3", "10.1.2.0/23", "10.0.0.0/7", "0.0.0.0/0", "2001:db8:1:2::/64",
        "2001:db8:1:2:8000::/65", "fd00::4", "fd00::4/127", "::/0"}) {
    CAPTURE(network);
    Settings settings;
    settings.excluded_networks = {*IpPrefix::parse(network), *IpPrefix::parse("172.31.0.0/16")};
    settings.local_addresses = {address("127.0.0.1")};
    check_filter(settings, entries);
  }
}

TEST_CASE("TCP that nobody answered is dropped in the kernel, unless SYN_SENT is to travel") {
  NetworkNamespace space;
  if (!space) return;
  std::vector<ConntrackEntry> entries;
  for (const std::uint32_t bits : {status::kConfirmed, status::kConfirmed | status::kSeenReply}) {
    for (int state = 1; state <= 9; ++state) {
      entries.push_back(any_entry(IPPROTO_TCP, "192.168.2.3", "192.168.0.3"));
      entries.back().status = bits;
      entries.back().tcp->state = static_cast<TcpState>(state);
    }
  }
  entries.push_back(any_entry(IPPROTO_UDP, "192.168.2.3", "192.168.0.3"));
  entries.back().status = status::kConfirmed;
  Settings settings;
  check_filter(settings, entries);
  settings.tcp_states = {TcpState::syn_sent, TcpState::established};
  check_filter(settings, entries);
}

TEST_CASE("a program with all of its limits reached is taken by the kernel") {
  NetworkNamespace space;
  if (!space) return;
  EventFilterSettings filter{.ignore_port_id = 1, .unanswered_tcp = false};
  for (unsigned i = 0; i < 255; ++i) filter.protocols.push_back(static_cast<std::uint8_t>(i));
  for (unsigned i = 0; i < kMaxFilteredAddresses; ++i) {
    filter.local_addresses.push_back(address("10.0.0." + std::to_string(i)));
    filter.local_addresses.push_back(address("fd00::" + std::to_string(i)));
  }
  for (unsigned i = 0; i < 2 * kMaxFilteredNetworks; ++i) {
    filter.excluded_networks.push_back(*IpPrefix::parse("172.16." + std::to_string(i) + ".0/24"));
    filter.excluded_networks.push_back(*IpPrefix::parse("fd01::" + std::to_string(i) + "/128"));
  }
  CHECK(event_filter(filter).size() <= 4096);
  open_capture({.filter = filter});
}

TEST_CASE("more local addresses than the program holds -> those beyond the limit pass, nothing is refused") {
  NetworkNamespace space;
  if (!space) return;
  std::vector<IpAddress> many;
  for (unsigned i = 0; i < 2 * kMaxFilteredAddresses; ++i) {
    many.push_back(address("10.0.0." + std::to_string(i)));
    many.push_back(address("fd00::" + std::to_string(i)));
  }
  Capture capture = open_capture({.filter = {.protocols = {IPPROTO_TCP}, .local_addresses = many}});
  ConntrackTable other = open_table();
  REQUIRE(create(other, any_entry(IPPROTO_TCP, "10.0.0.3", "192.168.0.3")) == 0);
  REQUIRE(create(other, any_entry(IPPROTO_TCP, "fd00::3", "fd01::1")) == 0);
  CHECK(all_events(capture).empty());
  REQUIRE(create(other, any_entry(IPPROTO_TCP, "10.0.0.120", "192.168.0.3")) == 0);
  REQUIRE(create(other, any_entry(IPPROTO_TCP, "fd00::120", "fd01::1")) == 0);
  CHECK(all_events(capture).size() == 2);
}

TEST_CASE("expectations pass the filter of protocols and addresses, unless they are not asked for at all") {
  NetworkNamespace space;
  if (!space) return;
  const EventFilterSettings filter{.protocols = {IPPROTO_UDP}, .local_addresses = {address("192.168.2.3")}};
  Capture with = open_capture({.filter = filter});
  Capture without = open_capture({.filter = filter, .expectations = false});
  ConntrackTable other = open_table();
  ConntrackEntry entry = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", 40'000, "192.168.0.3", 21));
  entry.tcp = TcpInfo{.state = TcpState::established};
  entry.helper = "ftp";
  Expectation expectation;
  expectation.key.expected = tuple(IPPROTO_TCP, "192.168.2.3", 0, "192.168.0.3", 20'001);
  expectation.mask = tuple(IPPROTO_TCP, "255.255.255.255", 0, "255.255.255.255", 0xffff);
  expectation.master = entry.key.original;
  expectation.timeout_s = 100;
  expectation.helper = "ftp";
  REQUIRE(create(other, entry) == 0);
  REQUIRE(result_of(other, CreateExpectation{expectation}) == 0);
  const auto events = all_events(with);
  REQUIRE(events.size() == 1);
  CHECK(std::holds_alternative<ExpectationEvent>(events.front()));
  CHECK(all_events(without).empty());
}

}  // namespace
}  // namespace ftfw::sync
