#include "tests/bench/flood.hpp"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::bench {
namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::size_t kIp = 14;         // after the Ethernet header
constexpr std::size_t kVrrp = 14 + 20;  // after the IPv4 header
constexpr std::size_t kBatch = 50;
constexpr Duration kMostBehind = 20ms;

// RFC 1071.
std::uint16_t checksum(const Frame& frame, std::size_t begin, std::size_t end, std::uint32_t sum = 0) {
  for (std::size_t i = begin; i + 1 < end; i += 2)
    sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put(Frame& frame, std::size_t at, std::uint16_t value) {
  frame[at] = static_cast<std::uint8_t>(value >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(value);
}

// A packet that would be accepted, of 192.168.2.3, if `spoil` did not change it; the checksums are made after
// the change, so that they are not what is wrong.
Frame frame(std::uint8_t id, const std::function<void(Frame&)>& spoil) {
  Frame made{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x02, 0, 0,   0,   0, 0x03, 0x08, 0x00,  // Ethernet
             0x45, 0xc0, 0,    32,   0,    1,    0,    0, 255, 112, 0, 0,    192,  168,
             2,    3,    224,  0,    0,    18,                                // IPv4
             0x31, id,   50,   1,    0,    1,    0,    0, 192, 168, 2, 100};  // VRRP
  spoil(made);
  put(made, kIp + 2, static_cast<std::uint16_t>(made.size() - kIp));
  put(made, kIp + 10, checksum(made, kIp, kVrrp));
  if (made.size() >= kVrrp + 8) {
    const auto length = static_cast<std::uint32_t>(made.size() - kVrrp);
    const std::uint32_t pseudo = (192U << 8 | 168U) + (2U << 8 | 3U) + (224U << 8) + 18U + 112U + length;
    put(made, kVrrp + 6, checksum(made, kVrrp, made.size(), pseudo));
  }
  return made;
}

std::vector<Frame> malformed(std::uint8_t id) {
  const auto with = [&](std::size_t at, std::uint8_t value) {
    return frame(id, [=](Frame& f) { f[at] = value; });
  };
  std::vector<Frame> frames{
      with(kIp + 8, 254),                                          // TTL
      with(kVrrp, 0x21),                                           // version 2
      with(kVrrp, 0x41),                                           // no version that there is
      with(kVrrp, 0x32),                                           // no advertisement
      with(kVrrp + 1, static_cast<std::uint8_t>(id + 1)),          // another router
      with(kVrrp + 3, 0),                                          // no address
      with(kVrrp + 3, 200),                                        // more addresses than bytes
      with(kVrrp + 5, 0),                                          // interval 0
      frame(id, [](Frame& f) { f.resize(kVrrp + 4); }),            // shorter than a header
      frame(id, [](Frame& f) { f.resize(f.size() + 64, 0xaa); }),  // longer than it says
  };
  Frame bad_checksum = frame(id, [](Frame&) {});
  bad_checksum[kVrrp + 6] = static_cast<std::uint8_t>(bad_checksum[kVrrp + 6] ^ 0x55);
  frames.push_back(bad_checksum);
  return frames;
}

UniqueFd open_sender() {
  UniqueFd socket(lab::checked(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket (root?)"));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
  lab::checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
               "bind to eth0");
  return socket;
}

}  // namespace

Flood::Flood(const lab::Lab& lab, const interop::Leg& leg)
    : socket_(lab::run_in(lab.network(lab::Node::client), open_sender)),
      frames_(malformed(static_cast<std::uint8_t>(leg.id))),
      thread_([this] { work(); }) {}

Flood::~Flood() {
  stop_ = true;
  thread_.join();
}

void Flood::work() {
  // Or a busy machine makes it a smaller flood. The election's thread comes first all the same.
  lab::become_punctual();
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    Frame& chosen = frames_[i % frames_.size()];
    parts[i] = {chosen.data(), chosen.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  constexpr Duration kPause = kBatch * Duration(1s) / kPacketsPerSecond;
  Instant next = monotonic_now();
  while (!stop_) {
    const int done = ::sendmmsg(socket_.get(), messages.data(), kBatch, 0);
    if (done > 0) sent_ += static_cast<std::uint64_t>(done);
    next += kPause;
    const Duration left = next - monotonic_now();
    if (left > Duration::zero()) std::this_thread::sleep_for(left);
    // A short pause of the machine is made good, a long one is not: that would be a burst of its own.
    if (left < -kMostBehind) next = monotonic_now();
  }
}

}  // namespace ftfw::bench
