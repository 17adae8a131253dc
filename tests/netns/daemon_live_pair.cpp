#include "tests/netns/daemon_live_pair.hpp"

#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/sockets.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {

namespace {

Bytes udp_datagram(std::span<const std::uint8_t> payload, std::uint16_t from_port) {
  Bytes datagram;
  put(datagram, from_port, 2);
  put(datagram, kReplicationPort, 2);
  put(datagram, 8 + payload.size(), 2);
  put(datagram, 0, 2);  // no checksum
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

}  // namespace

void put(Bytes& bytes, std::uint64_t value, int count) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

std::uint64_t figure(const Json& status, const char* name) {
  const Json& own = status["replication"]["figures"];
  return own.contains(name) ? own[name].get<std::uint64_t>()
                            : status["peers"][0]["figures"].value(name, std::uint64_t{0});
}

std::uint64_t link_counter(const Json& status, std::size_t link, const char* name) {
  const Json& links = status["peers"][0]["links"];
  return link < links.size() ? links[link]["counters"].value(name, std::uint64_t{0}) : 0;
}

bool link_is(const Json& status, std::size_t link, const char* condition) {
  const Json& links = status["peers"][0]["links"];
  return link < links.size() && links[link]["condition"] == condition;
}

// ---- the pair under traffic

LivePair::LivePair(const ApplianceSettings& settings, const std::function<void(DaemonBench&)>& prepare)
    : DaemonBench(settings), services(lab) {
  if (prepare) prepare(*this);
  start_pair();
  traffic.emplace(lab, kFewEchoes);
  probe.emplace(lab);
  REQUIRE(wait_equal(lab, 5, 30s).empty());
  REQUIRE(wait_until(5s, [&] { return probe->report().answered >= 100; }));
  probe->begin();
  since = status(Node::fw_1)["since"];
  epoch = status(Node::fw_1)["epoch"];
  flows = replicated_flows(lab, Node::fw_2);
}

void LivePair::check_unimpressed() {
  const Json primary = status(Node::fw_1);
  CHECK(primary["role"] == "primary");
  CHECK(primary["since"] == since);
  CHECK(primary["epoch"] == epoch);
  CHECK(status(Node::fw_2)["role"] == "backup");
  CHECK(fw_1.holding() == Holding::all);
  CHECK(fw_2.holding() == Holding::none);
  CHECK(difference(flows, replicated_flows(lab, Node::fw_2)) == "");
  traffic->mark();
  CHECK(traffic->wait_all_alive(10s).echoes.all());
  CHECK(probe->report().longest_gap < 500ms);
  check_replicates();
}

void LivePair::check_replicates() {
  const Traffic later(lab, kFewEchoes);
  CHECK(wait_equal(lab, 10, 30s) == "");
  CHECK(status(Node::fw_2)["replication"]["in_sync"] == true);
}

// ---- strangers

ReplicationStranger::ReplicationStranger(Lab& lab)
    : socket_(run_in(lab.network(Node::fw_2), [] {
        return UniqueFd(checked(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP), "raw"));
      })) {
  const sockaddr_in from = to_sockaddr({kSecond, 0});
  checked(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), "bind");
  const sockaddr_in target = to_sockaddr({kFirst, 0});
  checked(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target), "connect");
}

void ReplicationStranger::send(std::span<const std::uint8_t> payload, std::uint16_t from_port) {
  const Bytes datagram = udp_datagram(payload, from_port);
  checked(::send(socket_.get(), datagram.data(), datagram.size(), 0), "send");
}

std::uint64_t ReplicationStranger::flood(const std::vector<Bytes>& payloads, std::uint64_t count) {
  std::vector<Bytes> datagrams;
  for (const Bytes& payload : payloads) datagrams.push_back(udp_datagram(payload, kReplicationPort));
  constexpr std::size_t kBatch = 64;
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::uint64_t sent = 0;
  while (sent < count) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      Bytes& datagram = datagrams[(sent + i) % datagrams.size()];
      parts.at(i) = {datagram.data(), datagram.size()};
      messages.at(i).msg_hdr = {};
      messages.at(i).msg_hdr.msg_iov = &parts.at(i);
      messages.at(i).msg_hdr.msg_iovlen = 1;
    }
    sent +=
        static_cast<std::uint64_t>(checked(::sendmmsg(socket_.get(), messages.data(), kBatch, 0), "flood"));
  }
  return sent;
}

ReplicationListener::ReplicationListener(Lab& lab)
    : socket_(run_in(lab.network(Node::fw_2), [] {
        UniqueFd socket(
            checked(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)),
                    "packet socket"));
        sockaddr_ll where{};
        where.sll_family = AF_PACKET;
        where.sll_protocol = htons(ETH_P_ALL);
        where.sll_ifindex = static_cast<int>(::if_nametoindex("eth2"));
        checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), "bind");
        return socket;
      })) {}

std::optional<Bytes> ReplicationListener::next(Direction direction) {
  std::array<std::uint8_t, 2048> packet{};
  for (;;) {
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(socket_.get(), packet.data(), packet.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(got);
    const bool outgoing = from.sll_pkttype == PACKET_OUTGOING;
    if (outgoing != (direction == Direction::from_second) || size < sizeof(iphdr)) continue;
    iphdr ip;
    std::memcpy(&ip, packet.data(), sizeof ip);
    const std::size_t begin = std::size_t{ip.ihl} * 4 + sizeof(udphdr);
    if (from.sll_protocol != htons(ETH_P_IP) || ip.protocol != IPPROTO_UDP || size < begin) continue;
    udphdr udp;
    std::memcpy(&udp, packet.data() + std::size_t{ip.ihl} * 4, sizeof udp);
    if (udp.dest != htons(kReplicationPort) || udp.source != htons(kReplicationPort)) continue;
    return Bytes(packet.data() + begin, packet.data() + size);
  }
}

}  // namespace ftfw::lab
