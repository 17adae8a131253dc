// A running pair under traffic, and strangers on its dedicated link: what the tests of hostile packets, of
// the links and of the keys share.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "appliance/base/unique_fd.hpp"
#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/probe.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"

namespace ftfw::lab {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kReplicationPort = 3780;
// The addresses of the dedicated link.
constexpr const char* kFirst = "192.168.100.100";
constexpr const char* kSecond = "192.168.100.200";
// The board is published once a second.
constexpr Duration kPublished = 5s;

constexpr Traffic::Amounts kFewEchoes{
    .echoes = 5, .downloads = 0, .uploads = 0, .idle = 0, .to_reset = 0, .to_finish = 0};

// In network order.
void put(Bytes& bytes, std::uint64_t value, int count);

std::uint64_t figure(const Json& status, const char* name);
// Of one dedicated link.
std::uint64_t link_counter(const Json& status, std::size_t link, const char* name);
bool link_is(const Json& status, std::size_t link, const char* condition);

// fw-1 is primary, fw-2 its complete replica, echoes run.
struct LivePair : DaemonBench {
  // prepare: before the daemons are started.
  explicit LivePair(const ApplianceSettings& settings = {},
                    const std::function<void(DaemonBench&)>& prepare = {});

  // Since the start nobody changed its role, no flow was lost and none came, the echoes live and replication
  // goes on.
  void check_unimpressed();
  // Only the last of these.
  void check_replicates();

  Services services;
  std::optional<Traffic> traffic;
  std::optional<Probe> probe;
  Json since;
  Json epoch;
  FlowTable flows;
};

// Sends to fw-1 from fw-2's machine, address and port, although fw-2's daemon has them.
class ReplicationStranger {
 public:
  explicit ReplicationStranger(Lab& lab);

  void send(std::span<const std::uint8_t> payload, std::uint16_t from_port = kReplicationPort);
  // As fast as it goes; how many of them the kernel took.
  std::uint64_t flood(const std::vector<Bytes>& payloads, std::uint64_t count);

 private:
  UniqueFd socket_;
};

// Hears the dedicated link on fw-2's machine: the UDP payloads between the two replication ports.
class ReplicationListener {
 public:
  enum class Direction : std::uint8_t { to_second, from_second };

  explicit ReplicationListener(Lab& lab);

  // The next one in that direction that is there already; nothing when none is.
  std::optional<Bytes> next(Direction direction);
  int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace ftfw::lab
