// Entries as a kernel would show them, for the tests of single files.
#pragma once

#include <netinet/in.h>

#include "sync/observation.hpp"

namespace ftfw::sync::test {

inline Tuple tuple(std::uint8_t protocol, const char* source, std::uint16_t source_port,
                   const char* destination, std::uint16_t destination_port) {
  return {.source = *IpAddress::parse(source),
          .destination = *IpAddress::parse(destination),
          .protocol = protocol,
          .source_port = source_port,
          .destination_port = destination_port};
}

// 192.168.2.3:port > 192.168.0.3:80, translated to the virtual address outside.
inline ConntrackEntry tcp_flow(std::uint16_t port = 40000, TcpState state = TcpState::established) {
  ConntrackEntry entry;
  entry.key.original = tuple(IPPROTO_TCP, "192.168.2.3", port, "192.168.0.3", 80);
  entry.reply = tuple(IPPROTO_TCP, "192.168.0.3", 80, "192.168.0.100", port);
  entry.status = status::kConfirmed | status::kSourceNat | status::kSourceNatDone;
  if (state >= TcpState::syn_recv) *entry.status |= status::kSeenReply;
  if (state >= TcpState::established) *entry.status |= status::kAssured;
  entry.timeout_s = 432'000;
  entry.tcp = TcpInfo{.state = state,
                      .window_scale_original = 7,
                      .window_scale_reply = 9,
                      .flags_original = 0x23,
                      .flags_reply = 0x13};
  return entry;
}

inline ConntrackEntry udp_flow(std::uint16_t port = 5000) {
  ConntrackEntry entry;
  entry.key.original = tuple(IPPROTO_UDP, "192.168.2.3", port, "192.168.0.3", 53);
  entry.reply = entry.key.original.inverse();
  entry.status = status::kConfirmed;
  entry.timeout_s = 30;
  return entry;
}

// A data connection that `master` expected.
inline ConntrackEntry related_flow(const ConntrackEntry& master, std::uint16_t port = 20001) {
  ConntrackEntry entry = tcp_flow(port, TcpState::syn_sent);
  entry.master = master.key.original;
  *entry.status |= status::kExpected;
  return entry;
}

inline Expectation expectation_of(const ConntrackEntry& master, std::uint16_t port = 20001) {
  Expectation expectation;
  expectation.key.expected = tuple(IPPROTO_TCP, "192.168.2.3", 0, "192.168.0.3", port);
  expectation.mask = tuple(IPPROTO_TCP, "255.255.255.255", 0, "255.255.255.255", 0xffff);
  expectation.master = master.key.original;
  expectation.timeout_s = 300;
  expectation.flags = 1;
  expectation.expect_class = 2;
  expectation.nat =
      ExpectationNat{.direction = 1, .tuple = tuple(IPPROTO_TCP, "192.168.2.3", 0, "0.0.0.0", 0)};
  expectation.helper = "ftp";
  expectation.function = "nat-follow-master";
  return expectation;
}

}  // namespace ftfw::sync::test
