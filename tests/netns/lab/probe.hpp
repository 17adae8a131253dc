// A UDP datagram every millisecond from the client to the server's echo, and the longest time without an
// answer. One thread of real-time priority, ended by the destructor. Times are CLOCK_MONOTONIC.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

class Probe {
 public:
  struct Report {
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    std::uint64_t lost = 0;  // sent and not answered, but for those still under way (kUnderWay)
    Duration longest_gap{};  // between two answers, or from the last answer until now
    Instant gap_begin{};
    Instant gap_end{};
  };

  static constexpr Duration kInterval = 1ms;
  static constexpr Duration kUnderWay = 20ms;

  explicit Probe(const Lab& lab);
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Since construction or the last begin(). begin() keeps the last answer's time, so a gap that is open
  // counts.
  Report report() const;
  void begin();

 private:
  void work();
  void send_one();
  void receive_all();

  UniqueFd socket_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // guards what follows
  Report report_;
  Instant last_answer_{};
  std::uint64_t next_sequence_ = 0;
  std::uint64_t first_counted_ = 0;  // the first sequence number since begin()
  std::thread thread_;
};

}  // namespace ftfw::lab
