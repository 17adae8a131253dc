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
  CHECK_FALSE(filter().travels(tcp_flow(1, TcpState::syn_sent)));
  CHECK(filter().travels(tcp_flow(1, TcpState::syn_recv)));
  CHECK(filter().travels(related_flow(tcp_flow())));
  CHECK(filter().travels(udp_flow()));
}

TEST_CASE("a destroy of a flow that was never sent is not sent either") {
  ConntrackEntry gone = tcp_flow(1, TcpState::syn_sent);
  gone.tcp.reset();
  CHECK_FALSE(filter().travels(gone));
  *gone.status |= status::kSeenReply;
  CHECK(filter().travels(gone));
}

namespace {

Filter filter_of_states(std::vector<TcpState> states) {
  Settings settings;
  settings.tcp_states = std::move(states);
  return Filter(settings);
}

}  // namespace

TEST_CASE("a list of TCP states lets these through, and SYN_SENT only where it stands in the list") {
  const Filter established = filter_of_states({TcpState::established});
  CHECK(established.travels(tcp_flow(1, TcpState::established)));
  CHECK_FALSE(established.travels(tcp_flow(1, TcpState::syn_recv)));
  CHECK_FALSE(established.travels(tcp_flow(1, TcpState::fin_wait)));
  CHECK(established.awaits_reply(tcp_flow(1, TcpState::syn_sent)));
  CHECK_FALSE(established.awaits_reply(tcp_flow(1, TcpState::syn_recv)));
  CHECK(established.excludes_answered());
  const Filter all =
      filter_of_states({TcpState::syn_sent, TcpState::syn_recv, TcpState::established, TcpState::fin_wait,
                        TcpState::close_wait, TcpState::last_ack, TcpState::time_wait, TcpState::close});
  CHECK(all.travels(tcp_flow(1, TcpState::syn_sent)));
  CHECK_FALSE(all.excludes_answered());
  CHECK_FALSE(filter().excludes_answered());
}

TEST_CASE("what says nothing about its state travels, and so does an expected flow in every state") {
  const Filter established = filter_of_states({TcpState::established});
  ConntrackEntry update = tcp_flow(1, TcpState::fin_wait);
  update.tcp.reset();
  CHECK(established.travels(update));
  CHECK(established.travels(related_flow(tcp_flow())));
  CHECK(established.travels(udp_flow()));
  // A simultaneous open that was answered is on its way, as one in SYN_RECV.
  ConntrackEntry answered = tcp_flow(1, TcpState::syn_sent2);
  *answered.status |= status::kSeenReply;
  CHECK(filter().travels(answered));
  CHECK_FALSE(established.travels(answered));
}

TEST_CASE("no expectation travels where its established master does not") {
  CHECK_FALSE(filter_of_states({TcpState::fin_wait}).covers(expectation_of(tcp_flow())));
  CHECK(filter_of_states({TcpState::established}).covers(expectation_of(tcp_flow())));
}

TEST_CASE("a flow with an end in an excluded network is not replicated, whichever end it is") {
  const auto covers = [](const char* network, const ConntrackEntry& entry) {
    Settings settings;
    settings.excluded_networks = {*IpPrefix::parse(network)};
    return Filter(settings).covers(entry);
  };
  ConntrackEntry forwarded = tcp_flow();  // from 192.168.2.3 to 192.168.0.3
  forwarded.reply.source = *IpAddress::parse("10.1.2.3");
  CHECK_FALSE(covers("192.168.2.0/24", forwarded));
  CHECK_FALSE(covers("192.168.0.3", forwarded));
  CHECK_FALSE(covers("10.0.0.0/8", forwarded));
  CHECK(covers("192.168.0.100", forwarded));  // what it is translated to is no end of it
  CHECK(covers("192.168.2.4/30", forwarded));
  CHECK(covers("2001:db8::/32", forwarded));
  Settings settings;
  settings.excluded_networks = {*IpPrefix::parse("192.168.0.3")};
  CHECK_FALSE(Filter(settings).covers(expectation_of(tcp_flow())));
}
