#include "sync/conntrack_entry.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include "sync/settings.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

TEST_CASE("translation is what differs from the plain inverse, address or port") {
  ConntrackEntry entry = tcp_flow();
  CHECK(entry.source_translated());
  CHECK_FALSE(entry.destination_translated());
  entry.reply = entry.key.original.inverse();
  CHECK_FALSE(entry.source_translated());
  entry.reply.destination_port = 1;
  CHECK(entry.source_translated());
  entry.reply = entry.key.original.inverse();
  entry.reply.source_port = 8080;
  CHECK(entry.destination_translated());
  CHECK_FALSE(entry.source_translated());
}

TEST_CASE("a translated ICMP identifier is a translated source, a turned type is no translation") {
  ConntrackEntry entry;
  entry.key.original = tuple(IPPROTO_ICMP, "10.0.0.1", 77, "10.0.0.2", 8 << 8);
  entry.reply = entry.key.original.inverse();
  CHECK_FALSE(entry.source_translated());
  CHECK_FALSE(entry.destination_translated());
  entry.reply.source_port = 78;
  CHECK(entry.source_translated());
  CHECK_FALSE(entry.destination_translated());
}

TEST_CASE("an entry is complete with its status and the state of its protocol") {
  ConntrackEntry entry = tcp_flow();
  CHECK(entry.is_complete());
  entry.tcp.reset();
  CHECK_FALSE(entry.is_complete());
  CHECK(udp_flow().is_complete());
  // Without its state, unless the kernel knows nothing of the protocol but the addresses.
  ConntrackEntry dccp = udp_flow();
  dccp.key.original.protocol = IPPROTO_DCCP;
  CHECK_FALSE(dccp.is_complete());
  dccp.key.original.source_port = dccp.key.original.destination_port = 0;
  CHECK(dccp.is_complete());
  ConntrackEntry no_status = udp_flow();
  no_status.status.reset();
  CHECK_FALSE(no_status.is_complete());
}

TEST_CASE("merging keeps what only the older knows and takes everything the newer says") {
  ConntrackEntry older = tcp_flow();
  older.helper = "ftp";
  older.labels = {1};
  older.mark = 3;
  older.master = older.key.original;
  ConntrackEntry newer{.key = older.key, .reply = older.reply, .status = 8U, .mark = 4U};
  const ConntrackEntry merged = merge(older, newer);
  CHECK(merged.status == 8U);
  CHECK(merged.mark == 4U);
  CHECK(merged.tcp == older.tcp);
  CHECK(merged.helper == "ftp");
  CHECK(merged.labels == older.labels);
  CHECK(merged.master == older.master);
}

TEST_CASE("the normal timeout follows the protocol's state") {
  const NormalTimeouts timeouts;
  CHECK(timeouts.for_entry(tcp_flow(1, TcpState::established)) == 432'000);
  CHECK(timeouts.for_entry(tcp_flow(1, TcpState::time_wait)) == 120);
  CHECK(timeouts.for_entry(udp_flow()) == 30);
  ConntrackEntry stream = udp_flow();
  *stream.status |= status::kAssured;
  CHECK(timeouts.for_entry(stream) == 120);
}
