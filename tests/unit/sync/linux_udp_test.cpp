// The real socket: who is heard, and what the operator is told when it cannot be opened.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "appliance/base/clock.hpp"
#include "sync/linux/channel.hpp"
#include "sync/linux/udp_socket.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

void loopback_up() {
  output_of("ip link set lo up");
}

UdpSettings loopback(std::string_view own, std::string_view peer) {
  return {.own_address = address(own), .peer_address = address(peer), .port = 3780, .interface = "lo"};
}

// What a stranger sends from any port of an address.
void send_from(const char* source, std::uint16_t source_port, const char* destination, ByteSpan bytes) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(source_port);
  ::inet_pton(AF_INET, source, &own.sin_addr);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  sockaddr_in to = own;
  to.sin_port = htons(3780);
  ::inet_pton(AF_INET, destination, &to.sin_addr);
  CHECK(::sendto(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) >= 0);
}

TEST_CASE("only the peer's address and port are heard, others are counted") {
  NetworkNamespace space;
  if (!space) return;
  loopback_up();
  auto a = UdpSocket::open(loopback("127.0.0.1", "127.0.0.2"));
  auto b = UdpSocket::open(loopback("127.0.0.2", "127.0.0.1"));
  REQUIRE_MESSAGE(a.has_value(), a.error().text);
  REQUIRE(b.has_value());
  const ByteVector bytes{1, 2, 3};
  send_from("127.0.0.3", 3780, "127.0.0.1", bytes);
  send_from("127.0.0.2", 4000, "127.0.0.1", bytes);
  REQUIRE((*b)->send(ByteVector{9}).has_value());
  const auto received = (*a)->receive();
  REQUIRE(received.has_value());
  CHECK(received->size() == 1);
  CHECK_FALSE((*a)->receive().has_value());
  CHECK((*a)->foreign() == 2);
}

TEST_CASE("a port in use, a foreign address and a missing interface are told apart") {
  NetworkNamespace space;
  if (!space) return;
  loopback_up();
  const auto first = UdpSocket::open(loopback("127.0.0.1", "127.0.0.2"));
  REQUIRE(first.has_value());
  const auto second = UdpSocket::open(loopback("127.0.0.1", "127.0.0.2"));
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == EADDRINUSE);
  CHECK(second.error().text == "UDP port 3780 of 127.0.0.1 is in use by another program");
  const auto elsewhere = UdpSocket::open(loopback("192.0.2.1", "127.0.0.2"));
  CHECK(elsewhere.error().code == EADDRNOTAVAIL);
  CHECK(elsewhere.error().text == "192.0.2.1 is not an address of this machine");
  UdpSettings missing = loopback("127.0.0.1", "127.0.0.2");
  missing.interface = "nowhere0";
  CHECK(UdpSocket::open(missing).error().code == ENODEV);
  CHECK(UdpSocket::open(missing).error().blame == Blame::system);
}

TEST_CASE("two channels over real sockets connect and talk, over IPv4 and IPv6") {
  NetworkNamespace space;
  if (!space) return;
  loopback_up();
  output_of("ip -6 addr add fd00::1/128 dev lo nodad; ip -6 addr add fd00::2/128 dev lo nodad");
  for (const bool ipv6 : {false, true}) {
    const IpAddress one = address(ipv6 ? "fd00::1" : "127.0.0.1");
    const IpAddress two = address(ipv6 ? "fd00::2" : "127.0.0.2");
    ChannelSettings settings{.node = "fw-1",
                             .peer = "fw-2",
                             .own_address = one,
                             .peer_address = two,
                             .interface = "lo",
                             .key = ByteVector(32, 7)};
    auto a = make_channel(settings);
    std::swap(settings.node, settings.peer);
    std::swap(settings.own_address, settings.peer_address);
    auto b = make_channel(settings);
    REQUIRE_MESSAGE(a.has_value(), a.error().text);
    REQUIRE_MESSAGE(b.has_value(), b.error().text);
    const Instant limit = monotonic_now() + 10s;
    (*a)->start(monotonic_now());
    (*b)->start(monotonic_now());
    std::vector<std::string> heard;
    bool sent = false;
    while (heard.empty() && monotonic_now() < limit) {
      pollfd waits[] = {{(*a)->fd(), POLLIN, 0}, {(*b)->fd(), POLLIN, 0}};
      ::poll(waits, 2, 50);
      for (Channel* channel : {a->get(), b->get()}) {
        channel->on_readable(monotonic_now());
        channel->on_timer(monotonic_now());
      }
      if (!sent && (*a)->up() && (*b)->up()) sent = (*a)->send(ByteVector{'h', 'i'}).has_value();
      for (const ChannelOutput& output : (*b)->take_outputs()) {
        if (const auto* received = std::get_if<Received>(&output)) {
          heard.emplace_back(received->bytes.begin(), received->bytes.end());
        }
      }
    }
    CHECK(heard == std::vector<std::string>{"hi"});
  }
}

}  // namespace
}  // namespace ftfw::sync
