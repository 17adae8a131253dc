#include "sync/filter.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

Filter filter(std::vector<std::uint8_t> protocols = {}) {
  Settings settings;
  settings.protocols = std::move(protocols);
  settings.local_addresses = {*IpAddress::parse("192.168.0.100"), *IpAddress::parse("192.168.2.2")};
  return Filter(settings);
}

}  // namespace

TEST_CASE("a forwarded flow translated to a virtual address is not local: destinations say nothing") {
  CHECK(filter().covers(tcp_flow()));
}

TEST_CASE("a flow is local if its original source or its reply source is an address of the pair") {
  ConntrackEntry from_here = udp_flow();
  from_here.key.original.source = *IpAddress::parse("192.168.2.2");
  CHECK_FALSE(filter().covers(from_here));
  ConntrackEntry to_here = udp_flow();
  to_here.key.original.destination = *IpAddress::parse("192.168.2.2");
  to_here.reply = to_here.key.original.inverse();
  CHECK_FALSE(filter().covers(to_here));
}

TEST_CASE("only the configured protocols are replicated; none configured means all") {
  CHECK(filter({IPPROTO_TCP}).covers(tcp_flow()));
  CHECK_FALSE(filter({IPPROTO_TCP}).covers(udp_flow()));
  CHECK(filter().covers(udp_flow()));
}

TEST_CASE("expectations follow their master's rules and the switch") {
  CHECK(filter().covers(expectation_of(tcp_flow())));
  CHECK_FALSE(filter({IPPROTO_UDP}).covers(expectation_of(tcp_flow())));
  Settings off;
  off.expectations = false;
  CHECK_FALSE(Filter(off).covers(expectation_of(tcp_flow())));
}

TEST_CASE("TCP goes from its first reply on, an expected flow at once") {
  CHECK_FALSE(filter().established_enough(tcp_flow(1, TcpState::syn_sent)));
  CHECK(filter().established_enough(tcp_flow(1, TcpState::syn_recv)));
  CHECK(filter().established_enough(related_flow(tcp_flow())));
  CHECK(filter().established_enough(udp_flow()));
}

TEST_CASE("a destroy of a flow that was never sent is not sent either") {
  ConntrackEntry gone = tcp_flow(1, TcpState::syn_sent);
  gone.tcp.reset();
  CHECK_FALSE(filter().established_enough(gone));
  *gone.status |= status::kSeenReply;
  CHECK(filter().established_enough(gone));
}
