// UDP datagrams as fast as one processor sends them, from inside a neighbour's namespace, by a process that
// ends with the test: every second one to the one port, the others to the other, each from the next source
// port, so that new flows begin all the time. Without checksum, from the first address of the neighbour.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "tests/unit/firewall/neighbour.hpp"

namespace ftfw::firewall::test {

struct FloodPlan {
  std::string to;
  std::uint16_t port = 0;
  std::uint16_t other_port = 0;
};

class Flood {
 public:
  // Keeps this thread on the first processor it may use, and the flood on the last.
  Flood(const Neighbour& from, const FloodPlan& plan);
  ~Flood();
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  std::uint64_t sent() const { return sent_->load(); }
  // False: the flood does not send any more.
  bool wait_for_more(std::uint64_t packets) const;

 private:
  pid_t sender_ = -1;
  std::atomic<std::uint64_t>* sent_ = nullptr;  // in memory that both processes share
};

}  // namespace ftfw::firewall::test
