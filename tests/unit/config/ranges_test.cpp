#include "config/ranges.hpp"

#include <doctest/doctest.h>

using namespace ftfw;
using namespace ftfw::config;

namespace {

AddressRange network(std::string_view text) {
  return range_of(IpPrefix::parse(text).value());
}
IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

}  // namespace

TEST_CASE("a network is the range of its addresses and back, up to both ends of the space") {
  CHECK(network("192.168.2.77/24") == AddressRange{ip("192.168.2.0"), ip("192.168.2.255")});
  CHECK(network("0.0.0.0/0") == AddressRange{ip("0.0.0.0"), ip("255.255.255.255")});
  CHECK(network("fd00::/63") == AddressRange{ip("fd00::"), ip("fd00:0:0:1:ffff:ffff:ffff:ffff")});
  for (const char* text :
       {"0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.1/32", "::/0", "fc00::/7", "fd00::1/128"}) {
    CAPTURE(text);
    REQUIRE(prefix_of(network(text)).has_value());
    CHECK(prefix_of(network(text))->to_string() == text);
  }
  CHECK_FALSE(prefix_of({ip("10.0.0.1"), ip("10.0.0.2")}).has_value());
  CHECK_FALSE(prefix_of({ip("10.0.0.0"), ip("10.0.0.2")}).has_value());
}

TEST_CASE("ranges are written as nft writes them") {
  CHECK(to_string(network("10.0.0.1")) == "10.0.0.1");
  CHECK(to_string(network("10.0.0.0/31")) == "10.0.0.0/31");
  CHECK(to_string(AddressRange{ip("10.0.0.1"), ip("10.0.0.2")}) == "10.0.0.1-10.0.0.2");
  CHECK(to_string(PortRange{80, 80}) == "80");
  CHECK(to_string(PortRange{80, 81}) == "80-81");
}

TEST_CASE("what is no range is none") {
  for (const char* text :
       {"10.0.0.1", "10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1-", "-10.0.0.1", "a-b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address_range(text).has_value());
  }
  for (const char* text : {"0", "65536", "", "-", "80-", "-80", "81-80", "80 ", "+80", "0-80"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_port_range(text).has_value());
  }
  CHECK(parse_port_range("1-65535") == PortRange{1, 65535});
}

TEST_CASE("the address behind the last one of a family is none") {
  CHECK(successor(ip("10.0.0.255")) == ip("10.0.1.0"));
  CHECK(successor(ip("255.255.255.255")) == std::nullopt);
  CHECK(successor(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) == std::nullopt);
}

TEST_CASE("ranges that overlap or touch become one, single ones only in an interval set") {
  using Ranges = std::vector<AddressRange>;
  CHECK(merged(Ranges{network("10.0.0.2"), network("10.0.0.1"), network("10.0.0.2")}) ==
        Ranges{network("10.0.0.1"), network("10.0.0.2")});
  CHECK(joined(Ranges{network("10.0.0.3"), network("10.0.0.2")}) == Ranges{network("10.0.0.2/31")});
  CHECK(merged(Ranges{network("10.0.0.128/25"), network("10.0.0.0/25"), network("10.0.0.7")}) ==
        Ranges{network("10.0.0.0/24")});
  CHECK(merged(Ranges{network("10.0.0.0/8"), network("10.3.0.0/16"), network("9.0.0.0/8")}) ==
        Ranges{{ip("9.0.0.0"), ip("10.255.255.255")}});
  // The last IPv4 address and the first IPv6 address do not touch.
  CHECK(merged(Ranges{network("::/1"), network("128.0.0.0/1")}) ==
        Ranges{network("128.0.0.0/1"), network("::/1")});
  using Ports = std::vector<PortRange>;
  CHECK(merged(Ports{{443, 443}, {80, 80}, {81, 81}}) == Ports{{80, 80}, {81, 81}, {443, 443}});
  CHECK(merged(Ports{{65000, 65535}, {1, 5}, {6, 6}}) == Ports{{1, 6}, {65000, 65535}});
}
