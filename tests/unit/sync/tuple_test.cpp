#include "sync/tuple.hpp"

#include <doctest/doctest.h>

#include <set>

#include "sync/hash.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

TEST_CASE("the inverse swaps addresses and ports, and twice is the same") {
  const Tuple original = tuple(IPPROTO_TCP, "10.0.0.1", 1, "10.0.0.2", 2);
  CHECK(original.inverse() == tuple(IPPROTO_TCP, "10.0.0.2", 2, "10.0.0.1", 1));
  CHECK(original.inverse().inverse() == original);
}

TEST_CASE("the inverse of an ICMP echo request is the echo reply with the same identifier") {
  CHECK(tuple(IPPROTO_ICMP, "10.0.0.1", 77, "10.0.0.2", 8 << 8).inverse() ==
        tuple(IPPROTO_ICMP, "10.0.0.2", 77, "10.0.0.1", 0));
  CHECK(tuple(IPPROTO_ICMPV6, "2001:db8::1", 77, "2001:db8::2", 128 << 8).inverse() ==
        tuple(IPPROTO_ICMPV6, "2001:db8::2", 77, "2001:db8::1", 129 << 8));
  CHECK(tuple(IPPROTO_ICMP, "10.0.0.1", 7, "10.0.0.2", 14 << 8).inverse().destination_port == 13 << 8);
}

TEST_CASE("a tuple is written in the words of its protocol") {
  CHECK(tuple(IPPROTO_TCP, "192.168.2.3", 40000, "192.168.0.3", 80).to_string() ==
        "tcp 192.168.2.3:40000 > 192.168.0.3:80");
  CHECK(tuple(IPPROTO_UDP, "2001:db8::1", 1, "2001:db8::2", 53).to_string() ==
        "udp [2001:db8::1]:1 > [2001:db8::2]:53");
  CHECK(tuple(IPPROTO_ICMP, "10.0.0.1", 77, "10.0.0.2", 8 << 8).to_string() ==
        "icmp 10.0.0.1 > 10.0.0.2 type 8 code 0 id 77");
  CHECK(tuple(47, "10.0.0.1", 1, "10.0.0.2", 2).to_string() == "gre 10.0.0.1 > 10.0.0.2 keys 0x1 0x2");
  CHECK(tuple(50, "10.0.0.1", 0, "10.0.0.2", 0).to_string() == "50 10.0.0.1 > 10.0.0.2");
}

TEST_CASE("hashes are those of SipHash-2-4, and differ in the zone and in every field") {
  const EntryKey key{.original = tuple(IPPROTO_TCP, "10.0.0.1", 1, "10.0.0.2", 2)};
  std::set<std::uint64_t> hashes{hash_of(key)};
  EntryKey other = key;
  other.zone = 1;
  hashes.insert(hash_of(other));
  other = key;
  other.original.protocol = IPPROTO_UDP;
  hashes.insert(hash_of(other));
  other = key;
  std::swap(other.original.source_port, other.original.destination_port);
  hashes.insert(hash_of(other));
  hashes.insert(hash_of(EntryKey{.original = key.original.inverse()}));
  CHECK(hashes.size() == 5);
  CHECK(hash_of(key) == hash_of(EntryKey{key}));
}

TEST_CASE("the low bits of hashes of neighbouring flows are spread evenly") {
  std::array<int, 16> buckets{};
  for (std::uint16_t port = 0; port < 16'000; ++port) {
    ++buckets[hash_of(EntryKey{.original = tuple(IPPROTO_TCP, "10.0.0.1", port, "10.0.0.2", 80)}) & 15];
  }
  for (const int count : buckets) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}
