// Bad VRRP packets from the client's place on the LAN, of every malformed class in turn, at a steady rate.
// One thread, ended by the destructor.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/interop/speaker.hpp"
#include "tests/netns/lab/lab.hpp"

namespace ftfw::bench {

class Flood {
 public:
  static constexpr std::uint64_t kPacketsPerSecond = 100'000;

  Flood(const lab::Lab& lab, const interop::Leg& leg);
  ~Flood();
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  std::uint64_t sent() const { return sent_; }

 private:
  void work();

  UniqueFd socket_;
  std::vector<std::vector<std::uint8_t>> frames_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace ftfw::bench
