// Whatever stands still beside the vrrp thread, its advertisements keep their interval: the journal does not
// read, the disk is busy, others dump and change the kernel's tables, and each other thread of the daemon is
// stopped in turn.
#include <doctest/doctest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/advertisement_capture.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kInterval = 50ms;
constexpr Duration kStall = 500ms;

// Stops one thread of another process, and no other, while it lives.
class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    checked(static_cast<int>(::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr)), "seize a thread");
    checked(static_cast<int>(::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr)), "stop a thread");
    int status = 0;
    checked(::waitpid(thread_, &status, __WALL), "wait for the thread to stop");
    REQUIRE(WIFSTOPPED(status));
  }
  ~StoppedThread() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  pid_t thread_;
};

std::map<std::string, pid_t> threads_of(pid_t process) {
  std::map<std::string, pid_t> threads;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm"), name);
    threads[name] = std::stoi(entry.path().filename().string());
  }
  return threads;
}

std::vector<Duration> gaps_of(const std::vector<Sighting>& record) {
  std::vector<Duration> gaps;
  std::optional<Instant> last;
  for (const Sighting& one : record) {
    if (one.node != Node::fw_1 || one.interface != "eth1") continue;
    if (last) gaps.push_back(one.at - *last);
    last = one.at;
  }
  std::ranges::sort(gaps);
  return gaps;
}

}  // namespace

TEST_CASE(
    "disk, journal, netlink and every other thread stand still: the advertisements keep their interval") {
  DaemonBench b({.advertisement_interval = "50ms"});
  // A pipe that is full and that nobody reads is where the log goes.
  const std::string journal = (b.lab.scratch().path() / "journal").string();
  b.fw_1.start(
      {}, {"sh", "-c", "mkfifo \"$0\" && exec 3<>\"$0\" && head -c 65536 /dev/zero >&3 && exec \"$@\" 2>&3",
           journal});
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  b.fw_2.start();
  REQUIRE(b.wait_status(Node::fw_2, [](const Json& now) { return now["replication"]["in_sync"] == true; }));
  const auto threads = threads_of(b.fw_1.pid());
  REQUIRE(threads.contains("ftfw-vrrp"));
  REQUIRE(threads.size() >= 6);

  // Bounded by the lab, which ends them.
  const std::string file = (b.lab.scratch().path() / "disk").string();
  const Process disk = b.lab.start(
      Node::fw_1, {"sh", "-c", "while :; do dd if=/dev/zero of=\"$0\" bs=1M count=8 conv=fsync; done", file},
      "disk.log");
  const Process dumps = b.lab.start(
      Node::fw_1,
      {"sh", "-c", "while :; do ip -s link; ip address; ip route show table all; conntrack -L; done"},
      "dumps.log");
  const Process changes = b.lab.start(
      Node::fw_1,
      {"sh", "-c", "while :; do ip link add churn type veth peer name churned; ip link delete churn; done"},
      "changes.log");

  const AdvertisementCapture capture(b.lab, {"eth1"});
  const std::size_t mark = capture.mark();
  for (const auto& [name, thread] : threads) {
    if (name == "ftfw-vrrp") continue;
    const Instant until = monotonic_now() + kStall;
    const StoppedThread stopped(thread);
    wait_until(until - monotonic_now(), [] { return false; });
  }
  const std::vector<Sighting> record = capture.since(mark);

  const std::vector<Duration> gaps = gaps_of(record);
  const auto expected = static_cast<double>((threads.size() - 1) * (kStall / kInterval));
  REQUIRE(static_cast<double>(gaps.size()) > 0.9 * expected);
  const Duration median = gaps[gaps.size() / 2];
  std::printf(
      "[stall] %zu threads stopped for %.0f ms each: %zu advertisements every %.1f ms, longest gap %.1f ms\n",
      threads.size() - 1, in_milliseconds(kStall), gaps.size() + 1, in_milliseconds(median),
      in_milliseconds(gaps.back()));
  CHECK(in_milliseconds(median) == doctest::Approx(in_milliseconds(kInterval)).epsilon(0.1));
  // Less than two are missed: a peer waits for three.
  CHECK(gaps.back() < 2 * kInterval);
  CHECK(std::ranges::none_of(record, [](const Sighting& one) { return one.node == Node::fw_2; }));
  CHECK(b.wait_role(Node::fw_1, "primary"));
}
