// What /proc/net/tcp says of SSH.
#include "appliance/ssh_uses.hpp"

#include <doctest/doctest.h>

namespace ftfw {
namespace {

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0 "
    "100\n"
    "   1: 0102A8C0:0016 0A02A8C0:D431 01 00000000:00000000 02:00000000 00000000     0        0 1002 4 0 20\n"
    "   2: 0102A8C0:0050 0A02A8C0:D432 01 00000000:00000000 02:00000000 00000000     0        0 1003 4 0 20\n"
    "   3: 0102A8C0:0016 0B02A8C0:D433 06 00000000:00000000 02:00000000 00000000     0        0 0 4 0 20\n"
    "nonsense\n";
constexpr const char* kTcp6 =
    "  sl  local_address                         remote_address                        st ... inode\n"
    "   0: 00000000000000000000000000000000:08AE 00000000000000000000000000000000:0000 0A 00000000:00000000 "
    "00:00000000 00000000     0        0 2001 1 0 100\n"
    "   1: 0000000000000000FFFF00000102A8C0:08AE 0000000000000000FFFF00000A02A8C0:D431 01 00000000:00000000 "
    "02:00000000 00000000     0        0 2002 4 0 20\n";

TEST_CASE("listening and established sockets are read, IPv4 over IPv6 as IPv4, the rest is not") {
  const auto sockets = parse_tcp_sockets(kTcp);
  REQUIRE(sockets.size() == 3);
  CHECK(sockets[0].listens);
  CHECK(sockets[0].local_port == 22);
  CHECK(sockets[1].local.to_string() == "192.168.2.1");
  CHECK(sockets[1].remote.to_string() == "192.168.2.10");
  CHECK(sockets[1].inode == 1002);
  const auto six = parse_tcp_sockets(kTcp6);
  REQUIRE(six.size() == 2);
  CHECK(six[1].remote.to_string() == "192.168.2.10");
  CHECK(six[1].local_port == 2222);
}

TEST_CASE(
    "a session of sshd counts more than the port where it listens; unknown sockets are those of port 22") {
  const auto sockets = parse_tcp_sockets(kTcp);
  const auto session = ssh_uses_of(sockets, {1001, 1002});
  REQUIRE(session.size() == 1);
  REQUIRE(session[0].client);
  CHECK(session[0].client->to_string() == "192.168.2.10");
  const auto listens = ssh_uses_of(sockets, {1001});
  REQUIRE(listens.size() == 1);
  CHECK_FALSE(listens[0].client);
  CHECK(listens[0].port == 22);
  CHECK(ssh_uses_of(sockets, {}).size() == 1);
  CHECK(ssh_uses_of(sockets, {7}).empty());
  CHECK(ssh_uses_of(parse_tcp_sockets(kTcp6), {2001})[0].port == 2222);
}

}  // namespace
}  // namespace ftfw
