// Packets of strangers against a running pair: dropped, counted, and without effect on roles, flows and
// replication. And a virtual address that an administrator set by hand.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <net/if.h>
#include <sys/socket.h>

#include <sys/stat.h>
#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "tests/netns/daemon_live_pair.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/probe.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/sockets.hpp"
#include "tests/netns/lab/traffic.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr int kVrrpProtocol = 112;

// ---- VRRP (RFC 9568 5.1, RFC 3768 5.1)

// A valid advertisement of virtual router 61 with the owner's priority, which nobody could resist.
struct Advertisement {
  std::uint8_t version_and_type = 0x31;
  std::uint8_t id = 61;
  std::uint8_t priority = 255;
  std::uint8_t count = 1;
  std::uint16_t interval = 10;  // version 2: type of authentication, seconds
  std::string tail;             // version 2: the password; otherwise bytes too many
  bool right_checksum = true;

  Bytes bytes() const {
    Bytes out{version_and_type, id, priority, count};
    put(out, interval, 2);
    put(out, 0, 2);
    put(out, 0xc0a80264, 4);  // 192.168.2.100
    out.insert(out.end(), tail.begin(), tail.end());
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < out.size(); i += 2)
      sum += static_cast<std::uint32_t>(out[i] << 8 | out[i + 1]);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    const auto checksum = static_cast<std::uint16_t>(right_checksum ? ~sum : ~sum + 1);
    out[6] = static_cast<std::uint8_t>(checksum >> 8);
    out[7] = static_cast<std::uint8_t>(checksum & 0xff);
    return out;
  }
};

// A host on the client's network that sends what it likes.
class VrrpStranger {
 public:
  explicit VrrpStranger(Lab& lab)
      : socket_(run_in(lab.network(Node::client), [] {
          return UniqueFd(checked(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrpProtocol), "raw"));
        })) {
    checked(::setsockopt(socket_.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4), "SO_BINDTODEVICE");
  }

  void send(const Bytes& message, int ttl = 255, const char* to = "224.0.0.18") {
    checked(::setsockopt(socket_.get(), IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl), "IP_MULTICAST_TTL");
    checked(::setsockopt(socket_.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), "IP_TTL");
    const sockaddr_in target = to_sockaddr({to, 0});
    checked(::sendto(socket_.get(), message.data(), message.size(), 0,
                     reinterpret_cast<const sockaddr*>(&target), sizeof target),
            "send");
  }

 private:
  UniqueFd socket_;
};

std::uint64_t vrrp_counter(const Json& status, const std::string& name) {
  return status["sync_group"]["virtual_routers"][0]["counters"][name];
}

// ---- DTLS 1.2 records (RFC 6347 4.1, 4.2.2)

Bytes record(std::uint8_t type, std::uint16_t epoch, std::uint64_t sequence, const Bytes& fragment,
             std::size_t claimed_bytes) {
  Bytes out{type, 0xfe, 0xfd};
  put(out, epoch, 2);
  put(out, sequence, 6);
  put(out, claimed_bytes, 2);
  out.insert(out.end(), fragment.begin(), fragment.end());
  return out;
}

Bytes client_hello(std::uint32_t number) {
  Bytes body{0xfe, 0xfd};
  put(body, number, 4);
  body.resize(2 + 32, 0x5a);
  body.insert(body.end(),
              {0, 0, 0, 2, 0x00, 0xa8, 1, 0});  // no session, no cookie, one PSK suite, no compression
  Bytes message{1};
  put(message, body.size(), 3);
  put(message, 0, 2);
  put(message, 0, 3);
  put(message, body.size(), 3);
  message.insert(message.end(), body.begin(), body.end());
  return record(22, 0, number, message, message.size());
}

// Both firewalls counted exactly so many packets under each of these names.
void check_counted(LivePair& pair, const Json& first_before, const Json& second_before,
                   const std::map<std::string, std::uint64_t>& rejected) {
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    const Json& before = node == Node::fw_1 ? first_before : second_before;
    const bool counted = pair.wait_status(
        node,
        [&](const Json& now) {
          return std::ranges::all_of(rejected, [&](const auto& counter) {
            const auto& [name, count] = counter;
            return vrrp_counter(now, name) == vrrp_counter(before, name) + count;
          });
        },
        kPublished);
    CAPTURE(before["sync_group"].dump());
    CAPTURE(pair.status(node)["sync_group"].dump());
    CHECK(counted);
  }
}

bool counters_are_there(LivePair& pair) {
  const auto there = [](const Json& now) { return !now["sync_group"]["virtual_routers"].empty(); };
  return pair.wait_status(Node::fw_1, there, kPublished) && pair.wait_status(Node::fw_2, there, kPublished);
}

}  // namespace

TEST_CASE(
    "malformed and foreign advertisements of version 3 -> dropped and counted, nobody changes its role") {
  LivePair pair;
  REQUIRE(counters_are_there(pair));
  const Json first = pair.status(Node::fw_1);
  const Json second = pair.status(Node::fw_2);
  VrrpStranger stranger(pair.lab);

  constexpr std::uint64_t kRounds = 20;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    // Malformed, one of each class.
    stranger.send({0x31, 61, 255, 1});
    stranger.send(Advertisement{.version_and_type = 0x51}.bytes());
    stranger.send(Advertisement{.version_and_type = 0x32}.bytes());
    stranger.send(Advertisement{.id = 0}.bytes());
    stranger.send(Advertisement{.count = 0}.bytes());
    stranger.send(Advertisement{.count = 200}.bytes());
    stranger.send(Advertisement{.tail = "more"}.bytes());
    stranger.send(Advertisement{.interval = 0}.bytes());
    stranger.send(Advertisement{.right_checksum = false}.bytes());
    // Well formed and not for us.
    stranger.send(Advertisement{}.bytes(), 64);
    stranger.send(Advertisement{.id = 99}.bytes());
    stranger.send(
        Advertisement{.version_and_type = 0x21, .interval = 1, .tail = std::string(8, '\0')}.bytes());
  }

  check_counted(pair, first, second,
                {{"malformed", 9 * kRounds},
                 {"shorter than the header", kRounds},
                 {"unknown version", kRounds},
                 {"not an advertisement", kRounds},
                 {"virtual router id 0", kRounds},
                 {"no address", kRounds},
                 {"shorter than its address count says", kRounds},
                 {"longer than its address count says", kRounds},
                 {"interval 0", kRounds},
                 {"wrong checksum", kRounds},
                 {"TTL is not 255", kRounds},
                 {"another virtual router", kRounds},
                 {"other VRRP version", kRounds}});
  pair.check_unimpressed();
}

TEST_CASE(
    "version 2 advertisements with another password, none, or another interval -> dropped and counted") {
  LivePair pair({.vrrp_version = 2, .advertisement_interval = "1s"});
  REQUIRE(counters_are_there(pair));
  const Json first = pair.status(Node::fw_1);
  const Json second = pair.status(Node::fw_2);
  VrrpStranger stranger(pair.lab);

  stranger.send(Advertisement{.version_and_type = 0x21, .interval = 0x0101, .tail = "papas_co"}.bytes(), 254);
  stranger.send(Advertisement{.version_and_type = 0x21, .interval = 0x0101, .tail = "papas_cX"}.bytes());
  stranger.send(
      Advertisement{.version_and_type = 0x21, .interval = 0x0001, .tail = std::string(8, '\0')}.bytes());
  stranger.send(Advertisement{.version_and_type = 0x21, .interval = 0x0107, .tail = "papas_co"}.bytes());
  stranger.send(Advertisement{}.bytes());
  stranger.send(Advertisement{.version_and_type = 0x21, .interval = 0x0201, .tail = "papas_co"}.bytes());

  check_counted(pair, first, second,
                {{"malformed", 1},
                 {"unknown type of authentication", 1},
                 {"TTL is not 255", 1},
                 {"other authentication", 2},
                 {"other advertisement interval", 1},
                 {"other VRRP version", 1}});
  pair.check_unimpressed();
}

TEST_CASE(
    "garbage, forged records and a flood of hellos in the peer's name -> counted, replication goes on") {
  LivePair pair;
  const Json before = pair.status(Node::fw_1);
  ReplicationStranger stranger(pair.lab);

  constexpr std::uint32_t kEach = 100;
  for (std::uint32_t i = 0; i < kEach; ++i) {
    stranger.send(Bytes(1 + i, static_cast<std::uint8_t>(i)));           // garbage
    stranger.send(record(23, 1, 1'000 + i, Bytes(20, 0x11), 900));       // truncated
    stranger.send(record(23, 1, 1'000'000 + i, Bytes(100, 0x22), 100));  // forged application data
    stranger.send(record(21, 1, 2'000'000 + i, Bytes(40, 0x33), 40));    // forged alert
    stranger.send(record(22, 0, i, Bytes{16, 0, 0, 2, 0, 2, 0, 0, 0, 0, 0, 2, 0, 0}, 14));  // a key exchange
    stranger.send(record(21, 0, i, Bytes{2, 40}, 2));  // a fatal alert in clear
    stranger.send(Bytes(64, 0x44), 40'000);            // plain UDP, other port
  }
  for (std::uint32_t i = 0; i < 20 * kEach; ++i) stranger.send(client_hello(i));

  const bool counted = pair.wait_status(
      Node::fw_1,
      [&](const Json& now) {
        return figure(now, "malformed") >= figure(before, "malformed") + 2 * kEach &&
               figure(now, "not authentic") >= figure(before, "not authentic") + 2 * kEach;
      },
      kPublished);
  CAPTURE(pair.status(Node::fw_1)["replication"].dump());
  CHECK(counted);
  CHECK(pair.status(Node::fw_1)["peers"][0]["alive"] == true);
  pair.check_unimpressed();
}

TEST_CASE("the peer has another key -> refused, and both alarms say that the key differs") {
  LivePair pair;
  CHECK(pair.fw_2.terminate(kStop) == 0);
  const auto other_key = pair.lab.scratch().path() / "other.key";
  std::ofstream(other_key) << std::string(64, 'b') << '\n' << std::flush;
  REQUIRE(::chmod(other_key.c_str(), 0600) == 0);
  pair.fw_2.configure(edited(pair.lab, pair.configuration, pair.key.string(), other_key.string()));

  pair.fw_2.start();

  CHECK(wait_until(30s, [&] { return pair.has_alarm(Node::fw_1, "key differs"); }, 50ms));
  CHECK(wait_until(30s, [&] { return pair.has_alarm(Node::fw_2, "key differs"); }, 50ms));
  CHECK(pair.status(Node::fw_1)["role"] == "primary");
  CHECK(pair.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == false; }));
  CHECK(pair.status(Node::fw_2)["replication"]["in_sync"] == false);
  CHECK(replicated_flows(pair.lab, Node::fw_2).flows.size() <= pair.flows.flows.size());

  // With the right key it is a replica again.
  CHECK(pair.fw_2.terminate(kStop) == 0);
  pair.fw_2.configure(pair.configuration);
  pair.fw_2.start();
  CHECK(wait_equal(pair.lab, 5, 30s) == "");
}

TEST_CASE(
    "an administrator holds a virtual address by hand -> it stays, an alarm says so, the peer is primary") {
  DaemonBench b;
  const std::string theirs = std::string(kInsideVirtualAddress) + "/24";
  b.lab.run_well(Node::fw_1, {"ip", "address", "add", theirs, "dev", "eth1"});
  b.fw_2.start();
  REQUIRE(b.wait_role(Node::fw_2, "primary"));

  b.fw_1.start();

  CHECK(wait_until(30s, [&] { return b.has_alarm(Node::fw_1, "not set by this program"); }, 50ms));
  const bool settled = wait_until(20s, [&] {
    return b.fw_2.holding() == Holding::all && b.status(Node::fw_2)["role"] == "primary" &&
           b.status(Node::fw_1)["role"] == "backup";
  });
  CHECK(settled);
  CHECK(b.lab.links(Node::fw_1).addresses("eth1").contains(kInsideVirtualAddress));
  CHECK_FALSE(b.lab.links(Node::fw_1).addresses("eth0").contains(kOutsideVirtualAddress));
  CHECK(b.is_closed(Node::fw_1));

  // Once it is gone, the node can take its place.
  b.lab.run_well(Node::fw_1, {"ip", "address", "delete", theirs, "dev", "eth1"});
  CHECK(wait_until(60s, [&] { return b.fw_1.holding() == Holding::all; }));
  CHECK(b.fw_1.terminate(kStop) == 0);
}
