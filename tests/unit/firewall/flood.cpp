#include "tests/unit/firewall/flood.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <new>
#include <stdexcept>

#include "appliance/base/clock.hpp"

namespace ftfw::firewall::test {
namespace {

constexpr std::size_t kDatagramsPerCall = 32;
constexpr std::uint16_t kFirstSourcePort = 1024;
constexpr Duration kPatience = 30s;

struct Processors {
  std::size_t first = CPU_SETSIZE;
  std::size_t last = 0;
};

Processors processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  Processors found;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    found.first = std::min(found.first, cpu);
    found.last = cpu;
  }
  return found;
}

void stay_on(std::size_t cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

[[noreturn]] void send_forever(int socket, const FloodPlan& plan, std::atomic<std::uint64_t>& sent) {
  sockaddr_in to{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
  ::inet_pton(AF_INET, plan.to.c_str(), &to.sin_addr);
  std::array<udphdr, kDatagramsPerCall> headers{};
  std::array<iovec, kDatagramsPerCall> parts{};
  std::array<mmsghdr, kDatagramsPerCall> messages{};
  for (std::size_t i = 0; i < kDatagramsPerCall; ++i) {
    headers[i].uh_dport = htons(i % 2 == 0 ? plan.port : plan.other_port);
    headers[i].uh_ulen = htons(sizeof(udphdr));
    parts[i] = {.iov_base = &headers[i], .iov_len = sizeof(udphdr)};
    messages[i].msg_hdr.msg_name = &to;
    messages[i].msg_hdr.msg_namelen = sizeof to;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  std::uint16_t source_port = kFirstSourcePort;
  for (;;) {
    for (std::size_t i = 0; i < kDatagramsPerCall; ++i) {
      headers[i].uh_sport = htons(source_port);
      if (i % 2 == 1 && ++source_port == 0) source_port = kFirstSourcePort;
    }
    const int done = ::sendmmsg(socket, messages.data(), kDatagramsPerCall, 0);
    if (done > 0) {
      sent.fetch_add(static_cast<std::uint64_t>(done));
    } else if (errno != ENOBUFS && errno != EINTR && errno != EPERM) {
      ::_exit(1);
    }
  }
}

}  // namespace

Flood::Flood(const Neighbour& from, const FloodPlan& plan) {
  const Processors cpus = processors();
  void* shared = ::mmap(nullptr, sizeof *sent_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("mmap");
  sent_ = new (shared) std::atomic<std::uint64_t>(0);
  UniqueFd socket;
  from.inside([&] { socket = UniqueFd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP)); });
  sender_ = ::fork();
  if (sender_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on(cpus.last);
    send_forever(socket.get(), plan, *sent_);
  }
  stay_on(cpus.first);
}

Flood::~Flood() {
  ::kill(sender_, SIGKILL);
  ::waitpid(sender_, nullptr, 0);
  ::munmap(sent_, sizeof *sent_);
}

bool Flood::wait_for_more(std::uint64_t packets) const {
  const std::uint64_t enough = sent() + packets;
  const Instant deadline = monotonic_now() + kPatience;
  while (sent() < enough) {
    if (monotonic_now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

}  // namespace ftfw::firewall::test
