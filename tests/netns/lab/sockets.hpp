// Small IPv4 socket helpers and a poller. All sockets are opened in the network of the calling thread.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "appliance/base/time.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw::lab {

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
};

sockaddr_in to_sockaddr(const Endpoint& endpoint);
std::uint16_t local_port(int socket);

UniqueFd tcp_listener(const Endpoint& local);
UniqueFd udp_socket(const Endpoint& local);                  // port 0: any
UniqueFd tcp_connect(const Endpoint& to, Duration at_most);  // blocking, with that limit on every later call
void set_non_blocking(int socket);
// What the kernel's TCP sends at most, so that a stream that never pauses leaves the processors to others.
void set_pace(int socket, std::uint32_t bytes_per_second);
// Closing the socket will send a RST instead of a FIN.
void close_by_reset(int socket);

class Poller {
 public:
  Poller();

  void add(int fd, std::uint32_t events, std::uint64_t tag);
  void change(int fd, std::uint32_t events, std::uint64_t tag);
  // What is ready; empty at the timeout.
  std::span<const epoll_event> wait(Duration at_most);

 private:
  UniqueFd epoll_;
  std::array<epoll_event, 256> ready_{};
};

// A real-time priority for a thread that only timestamps, so that the lab's own load is not taken for a gap.
void become_punctual();

}  // namespace ftfw::lab
