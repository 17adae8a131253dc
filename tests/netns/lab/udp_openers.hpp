// New UDP connections at a steady rate from the client to the server's echo, each from a port of its own and
// answered once: the cheapest real traffic that makes a conntrack entry each. One thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

class UdpOpeners {
 public:
  // The server's echo must run (Services). The client's own rules drop the answers, which nobody there waits
  // for. At most 60,000 connections: then it pauses.
  UdpOpeners(Lab& lab, std::size_t a_second);
  ~UdpOpeners();
  UdpOpeners(const UdpOpeners&) = delete;
  UdpOpeners& operator=(const UdpOpeners&) = delete;

  // How many were opened.
  std::size_t stop();

 private:
  void work(std::size_t a_second);

  UniqueFd socket_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> opened_ = 0;
  std::thread thread_;
};

}  // namespace ftfw::lab
