#include "tests/netns/lab/net_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/links.hpp"

namespace ftfw::lab {
namespace {

UniqueFd namespace_of_this_thread() {
  return UniqueFd(
      checked(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open the network namespace"));
}

}  // namespace

NetNamespace NetNamespace::create(Ipv6 ipv6) {
  const UniqueFd home = namespace_of_this_thread();
  checked(::unshare(CLONE_NEWNET), "make a network namespace (root?)");
  UniqueFd made = namespace_of_this_thread();
  checked(::setns(home.get(), CLONE_NEWNET), "return to the lab's network namespace");
  NetNamespace space(std::move(made));
  for (const char* which : {"all", "default", "lo"}) {
    const std::string settings = std::string("net/ipv6/conf/") + which;
    if (ipv6 == Ipv6::off) {
      set_sysctl(space, settings + "/disable_ipv6", "1");
    } else {
      set_sysctl(space, settings + "/accept_dad", "0");
      set_sysctl(space, settings + "/accept_ra", "0");
      set_sysctl(space, settings + "/router_solicitations", "0");
    }
  }
  // Without an address of the kernel's making: link-local addresses are given, so that they have an order.
  if (ipv6 == Ipv6::on) set_sysctl(space, "net/ipv6/conf/default/addr_gen_mode", "1");
  Links(space).set_up("lo");
  return space;
}

unsigned long NetNamespace::inode() const {
  struct stat status{};
  checked(::fstat(fd_.get(), &status), "fstat of a network namespace");
  return status.st_ino;
}

Inside::Inside(const NetNamespace& space) : home_(namespace_of_this_thread()) {
  checked(::setns(space.fd(), CLONE_NEWNET), "enter a network namespace");
}

Inside::~Inside() {
  if (::setns(home_.get(), CLONE_NEWNET) != 0) {
    // Going on would let this thread act in the wrong network.
    std::perror("lab: cannot leave a network namespace");
    std::abort();
  }
}

void set_sysctl(const NetNamespace& space, const std::string& name, const std::string& value) {
  const Inside inside(space);
  std::ofstream file("/proc/sys/" + name);
  file << value << std::flush;
  if (!file) give_up("cannot set sysctl " + name + " to " + value);
}

std::string get_sysctl(const NetNamespace& space, const std::string& name) {
  const Inside inside(space);
  std::ifstream file("/proc/sys/" + name);
  std::string value;
  std::getline(file, value);
  return value;
}

}  // namespace ftfw::lab
