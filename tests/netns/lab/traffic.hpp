// Live TCP connections from the client through the firewall to the server, of every kind that breaks
// differently, and the judgement which of them live. One thread; the owner's calls and the thread share a
// lock.
//
//   echo      a message every 20 ms, the next one only after the last came back whole and in order
//   download  bytes that never pause, each checked
//   upload    likewise; progress is what the server has acknowledged, and the server checks each byte
//   idle      silent until speak()
//   to_reset  silent, closed by a RST in reset();   to_finish: closed by a FIN in finish()
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

class Traffic {
 public:
  struct Amounts {
    int echoes = 50;
    int downloads = 2;
    int uploads = 2;
    int idle = 4;
    int to_reset = 8;
    int to_finish = 8;
  };
  struct Tally {
    int alive = 0;
    int total = 0;
    bool all() const { return alive == total; }
  };
  struct Report {
    Tally echoes;
    Tally downloads;
    Tally uploads;
    Tally idle;
    Duration median_stall{};              // of the echo streams' longest waits since begin()
    std::vector<std::string> obituaries;  // one line for each connection that does not live
  };

  // Connects everything; every connection has carried bytes when it returns.
  Traffic(const Lab& lab, const Amounts& amounts, Opened opened = Opened::outwards);
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // Begins a new measurement of stalls.
  void begin();
  // From here on "alive" is: no reset and no error ever, and bytes got through after this call.
  void mark();
  // The idle connections say something, once; their echo counts as life.
  void speak();
  // Closes this many of their kind that are still open, and says which client ports those had.
  std::vector<std::uint16_t> reset(int count);
  std::vector<std::uint16_t> finish(int count);

  Report report() const;
  // The report as soon as all live, or that of the deadline.
  Report wait_all_alive(Duration at_most) const;

 private:
  enum class Kind { echo, download, upload, idle, to_reset, to_finish };
  struct Connection {
    Kind kind;
    UniqueFd fd;
    std::uint16_t port = 0;
    std::uint64_t sent = 0;      // bytes (upload), messages (echo kinds)
    std::uint64_t received = 0;  // bytes (download), messages (echo kinds)
    std::size_t partial = 0;     // bytes of an echo message that is not whole yet
    Instant next_send{};
    Instant waiting_since{};
    Duration longest_wait{};
    std::uint64_t marked = 0;
    std::string problem;
  };
  static constexpr std::size_t kKinds = 6;

  void connect(Kind kind, int count);
  void work();
  void service(Connection& connection, Instant now);
  void send_message(Connection& connection, Instant now);
  void receive_message(Connection& connection, Instant now);
  void receive_pattern(Connection& connection);
  void send_pattern(Connection& connection);
  bool lives(const Connection& connection) const;
  static std::uint64_t progress(const Connection& connection);
  std::vector<std::uint16_t> close_some(Kind kind, int count, bool by_reset);
  static void fail(Connection& connection, const std::string& what);

  const NetNamespace& client_;
  std::string address_;
  Poller poller_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // guards the connections
  std::vector<Connection> connections_;
  std::thread thread_;
};

}  // namespace ftfw::lab
