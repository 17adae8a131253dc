// What runs on the server, beside a real vsftpd: TCP echo (port 80), a source that never ends (443), a sink
// that checks what it gets (22), and UDP echo (53). Two threads, ended by the destructor.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

// outwards: from the client to the server. inwards: the server's machine opens them to the outside virtual
// address, which the firewall must forward to the client (a dnat of these ports), where the services run.
enum class Opened { outwards, inwards };

inline constexpr std::uint16_t kEchoPort = 80;
inline constexpr std::uint16_t kSourcePort = 443;
inline constexpr std::uint16_t kSinkPort = 22;
inline constexpr std::uint16_t kProbePort = 53;

class Services {
 public:
  struct Counts {
    std::uint64_t accepted = 0;
    std::uint64_t resets = 0;          // connections that ended by a RST of the client, or of anyone
    std::uint64_t finished = 0;        // connections that ended by a FIN
    std::uint64_t wrong_bytes = 0;     // reads at the sink that did not match the pattern
    std::uint64_t echo_overflows = 0;  // an echo client that does not read: closed
  };

  explicit Services(const Lab& lab, Opened opened = Opened::outwards);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  Counts counts() const;

 private:
  enum class Kind { echo, source, sink };
  struct Connection {
    Kind kind;
    UniqueFd fd;
    std::uint64_t offset = 0;  // bytes of the pattern sent or received
  };

  void serve_tcp();
  void serve_udp();
  void accept_from(int listener, Kind kind);
  bool handle(Connection& connection);
  bool echo(Connection& connection);
  bool send_pattern(Connection& connection);
  bool check_pattern(Connection& connection);
  bool ended(ssize_t result);

  UniqueFd echo_listener_;
  UniqueFd source_listener_;
  UniqueFd sink_listener_;
  UniqueFd udp_;
  Poller poller_;
  std::map<int, Connection> connections_;  // the TCP thread's
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> accepted_ = 0;
  std::atomic<std::uint64_t> resets_ = 0;
  std::atomic<std::uint64_t> finished_ = 0;
  std::atomic<std::uint64_t> wrong_bytes_ = 0;
  std::atomic<std::uint64_t> echo_overflows_ = 0;
  std::thread tcp_thread_;
  std::thread udp_thread_;
};

}  // namespace ftfw::lab
