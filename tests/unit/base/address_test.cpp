#include "appliance/base/address.hpp"

#include <doctest/doctest.h>

using ftfw::IpAddress;
using ftfw::IpPrefix;
using ftfw::MacAddress;

TEST_CASE("an address is parsed and printed as inet_pton and inet_ntop do") {
  CHECK(IpAddress::parse("192.168.2.100")->to_string() == "192.168.2.100");
  CHECK(IpAddress::parse("fe80::1")->to_string() == "fe80::1");
  CHECK_FALSE(IpAddress::parse("192.168.2"));
  CHECK_FALSE(IpAddress::parse("192.168.2.256"));
  CHECK_FALSE(IpAddress::parse(""));
}

TEST_CASE("a greater address compares greater in network order") {
  CHECK(*IpAddress::parse("192.168.2.2") > *IpAddress::parse("192.168.2.1"));
  CHECK(*IpAddress::parse("10.0.0.255") < *IpAddress::parse("10.0.1.0"));
}

TEST_CASE("a prefix contains the addresses of its network and no others") {
  const auto network = *IpPrefix::parse("192.168.2.100/23");
  CHECK(network.contains(*IpAddress::parse("192.168.3.7")));
  CHECK_FALSE(network.contains(*IpAddress::parse("192.168.4.7")));
  CHECK_FALSE(network.contains(*IpAddress::parse("fe80::1")));
  CHECK(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
}

TEST_CASE("a prefix without a length is a host, a length beyond the family is refused") {
  CHECK(IpPrefix::parse("192.168.2.100")->is_host());
  CHECK(IpPrefix::parse("fe80::1")->length == 128);
  CHECK_FALSE(IpPrefix::parse("192.168.2.100/33"));
  CHECK_FALSE(IpPrefix::parse("192.168.2.100/"));
  CHECK_FALSE(IpPrefix::parse("192.168.2.100/x"));
}

TEST_CASE("a MAC address round-trips, other shapes are refused") {
  CHECK(MacAddress::parse("00:00:5e:00:01:3d")->to_string() == "00:00:5e:00:01:3d");
  CHECK_FALSE(MacAddress::parse("00:00:5e:00:01"));
  CHECK_FALSE(MacAddress::parse("00:00:5e:00:01:3g"));
}
