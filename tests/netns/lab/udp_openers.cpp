#include "tests/netns/lab/udp_openers.hpp"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/services.hpp"

namespace ftfw::lab {
namespace {

constexpr std::size_t kFirstPort = 1'024;
constexpr std::size_t kMostOpened = 60'000;
constexpr Duration kPause = 10ms;

}  // namespace

UdpOpeners::UdpOpeners(Lab& lab, std::size_t a_second) {
  // Otherwise the client's kernel answers with ICMP errors.
  lab.run_well(Node::client, {"nft", "-f", "-"},
               "table ip openers {\n chain input {\n  type filter hook input priority 0; policy accept;\n"
               "  udp sport 53 udp length 8 drop\n }\n}\n");
  socket_ = run_in(lab.network(Node::client), [] {
    return UniqueFd(checked(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP), "raw socket"));
  });
  const sockaddr_in to = to_sockaddr({kServerAddress, 0});
  checked(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  thread_ = std::thread([this, a_second] { work(a_second); });
}

UdpOpeners::~UdpOpeners() {
  stop();
}

std::size_t UdpOpeners::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  return opened_;
}

void UdpOpeners::work(std::size_t a_second) {
  const Instant begin = monotonic_now();
  while (!stop_) {
    const auto due = static_cast<std::size_t>(static_cast<double>(a_second) *
                                              in_milliseconds(monotonic_now() - begin) / 1000);
    for (; opened_ < std::min(due, kMostOpened); ++opened_) {
      udphdr datagram{};
      datagram.source = htons(static_cast<std::uint16_t>(kFirstPort + opened_));
      datagram.dest = htons(kProbePort);
      datagram.len = htons(sizeof datagram);
      // A full buffer on the way is no fault of the firewalls: not counted as opened, tried again.
      if (::send(socket_.get(), &datagram, sizeof datagram, 0) < 0) break;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace ftfw::lab
