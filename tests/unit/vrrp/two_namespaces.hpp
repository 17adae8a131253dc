// Two network namespaces joined by a veth pair, for tests of kernel adapters: "left" has interface left0
// (192.0.2.1/24), "right" has right0 (192.0.2.2/24). They vanish with the object and with the process. Needs
// root.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "appliance/base/clock.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw::test {

// True as soon as the condition holds; false when it does not within the limit.
inline bool within(Duration limit, const std::function<bool()>& condition) {
  const Instant deadline = monotonic_now() + limit;
  while (!condition()) {
    if (monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class TwoNamespaces {
 public:
  TwoNamespaces() : original_(current()), left_(make()), right_(make()) {
    enter(left_);
    connect();
  }
  ~TwoNamespaces() { enter(original_); }
  TwoNamespaces(const TwoNamespaces&) = delete;
  TwoNamespaces& operator=(const TwoNamespaces&) = delete;

  // The test runs in "left"; this runs a part of it in "right". Sockets stay in the namespace they were made
  // in.
  template <typename Function>
  auto in_right(Function function) {
    enter(right_);
    struct Back {
      const UniqueFd& home;
      ~Back() { enter(home); }
    } back{left_};
    return function();
  }

  // Makes the pair; again after a test has deleted it. Waits until both ends carry packets: a moment before,
  // the kernel drops what is sent and reports success.
  void connect() {
    run("ip link add left0 type veth peer name right0");
    run("ip link set right0 netns /proc/" + std::to_string(::getpid()) + "/fd/" +
        std::to_string(right_.get()));
    run("ip address add 192.0.2.1/24 dev left0");
    run("ip link set left0 up");
    in_right([] {
      run("ip address add 192.0.2.2/24 dev right0");
      run("ip link set right0 up");
      await_carrier("right0");
    });
    await_carrier("left0");
  }

  // fe80::1 on left0 and fe80::2 on right0, usable at once and the only ones.
  void set_link_local() {
    const auto set = [](const std::string& interface, const std::string& address) {
      run("sysctl -qw net.ipv6.conf." + interface + ".addr_gen_mode=1");
      run("ip -6 address flush dev " + interface);
      run("ip address add " + address + "/64 dev " + interface + " nodad");
    };
    set("left0", "fe80::1");
    in_right([&] { set("right0", "fe80::2"); });
  }

  static void run(const std::string& command) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

 private:
  static void await_carrier(const std::string& interface) {
    const std::string question = "ip link show " + interface + " | grep -q 'state UP'";
    if (!within(std::chrono::seconds(10), [&] { return std::system(question.c_str()) == 0; }))
      throw std::runtime_error("no carrier on " + interface);
  }
  static UniqueFd current() { return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }
  static void enter(const UniqueFd& space) {
    if (::setns(space.get(), CLONE_NEWNET) != 0) std::abort();
  }
  static UniqueFd make() {
    if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("cannot make a network namespace");
    return current();
  }

  UniqueFd original_;
  UniqueFd left_;
  UniqueFd right_;
};

}  // namespace ftfw::test
