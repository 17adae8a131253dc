// A network namespace without a name: it lives as long as this object's descriptor, a process or a socket in
// it, so nothing remains when the lab dies, however it dies. Inside moves the calling thread and only that.
#pragma once

#include <string>
#include <utility>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::lab {

// The reference network has no IPv6, and a kernel that speaks it by itself disturbs captures: off by default.
// On means: no duplicate address detection, no address that the kernel makes up.
enum class Ipv6 { off, on };

class NetNamespace {
 public:
  // Needs CAP_SYS_ADMIN. The loopback interface is up.
  static NetNamespace create(Ipv6 ipv6 = Ipv6::off);

  int fd() const { return fd_.get(); }
  // The inode, by which /proc/PID/ns/net names it.
  unsigned long inode() const;

 private:
  explicit NetNamespace(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

// The calling thread is in the namespace while this lives. Sockets stay in the namespace they were opened in.
class Inside {
 public:
  explicit Inside(const NetNamespace& space);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  UniqueFd home_;
};

template <typename Function>
auto run_in(const NetNamespace& space, Function&& function) {
  const Inside inside(space);
  return std::forward<Function>(function)();
}

// name as under /proc/sys, with slashes: "net/ipv4/ip_forward".
void set_sysctl(const NetNamespace& space, const std::string& name, const std::string& value);
std::string get_sysctl(const NetNamespace& space, const std::string& name);

}  // namespace ftfw::lab
