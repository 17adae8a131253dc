#include "tests/netns/lab/advertisement_capture.hpp"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

constexpr std::uint8_t kVrrp = 112;
constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kIpv6Header = 40;
constexpr int kReceiveBuffer = 4 << 20;

Duration to_duration(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Without outgoing packets: what the bridge sends into this cable came out of another.
UniqueFd open_tap(const std::string& port) {
  UniqueFd socket(
      checked(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "packet socket (root?)"));
  const int on = 1;
  checked(::setsockopt(socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on),
          "PACKET_IGNORE_OUTGOING");
  checked(::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), "SO_TIMESTAMPNS");
  checked(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer),
          "SO_RCVBUFFORCE");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = __builtin_bswap16(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(port.c_str()));
  if (address.sll_ifindex == 0) give_up("no interface " + port);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind to a port");
  return socket;
}

// Where the VRRP message begins; nothing if the frame holds none.
std::optional<std::size_t> find_message(const std::vector<std::uint8_t>& frame) {
  constexpr std::size_t kShortest = 8;
  if (frame.size() < kEthernetHeader + 20 + kShortest) return std::nullopt;
  const int type = frame[12] << 8 | frame[13];
  std::size_t at = kEthernetHeader;
  if (type == ETHERTYPE_IP && frame[at + 9] == kVrrp) {
    at += static_cast<std::size_t>(frame[at] & 0x0f) * 4;
  } else if (type == ETHERTYPE_IPV6 && frame[at + 6] == kVrrp) {
    at += kIpv6Header;
  } else {
    return std::nullopt;
  }
  if (frame.size() < at + kShortest) return std::nullopt;
  return at;
}

// The kernel stamps in wall clock time; both clocks are read side by side to carry it over.
Instant monotonic(const timespec& stamp) {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return monotonic_now() - (to_duration(wall) - to_duration(stamp));
}

template <typename T>
void put(std::ofstream& file, T value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  file.write(bytes.data(), bytes.size());
}

}  // namespace

AdvertisementCapture::AdvertisementCapture(const Lab& lab, const std::vector<std::string>& interfaces) {
  const Inside inside(lab.bridges());
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    for (const std::string& interface : interfaces) {
      taps_.push_back({node, interface, open_tap(bridge_port(node, interface))});
      poller_.add(taps_.back().socket.get(), EPOLLIN, taps_.size() - 1);
    }
  }
  thread_ = std::thread([this] { work(); });
}

AdvertisementCapture::~AdvertisementCapture() {
  stop_ = true;
  thread_.join();
}

std::size_t AdvertisementCapture::mark() const {
  const std::lock_guard lock(mutex_);
  return record_.size();
}

std::vector<Sighting> AdvertisementCapture::since(std::size_t mark) const {
  const std::lock_guard lock(mutex_);
  return {record_.begin() + static_cast<std::ptrdiff_t>(std::min(mark, record_.size())), record_.end()};
}

void AdvertisementCapture::work() {
  become_punctual();
  while (!stop_) {
    for (const epoll_event& event : poller_.wait(50ms)) read(taps_.at(event.data.u64));
  }
}

void AdvertisementCapture::read(const Tap& tap) {
  std::array<std::uint8_t, 2048> buffer{};
  std::array<std::uint8_t, 128> control{};
  for (;;) {
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(tap.socket.get(), &message, 0);
    if (got < 0) return;
    Sighting seen{.at = monotonic_now(), .node = tap.node, .interface = tap.interface};
    seen.frame.assign(buffer.begin(), buffer.begin() + got);
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec stamp{};
      std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      seen.at = monotonic(stamp);
    }
    const std::optional<std::size_t> at = find_message(seen.frame);
    if (!at) continue;
    seen.version = static_cast<std::uint8_t>(seen.frame[*at] >> 4);
    seen.router_id = seen.frame[*at + 1];
    seen.priority = seen.frame[*at + 2];
    const std::lock_guard lock(mutex_);
    if (record_.size() < kMaxSightings) record_.push_back(std::move(seen));
  }
}

void AdvertisementCapture::write_pcap(const std::filesystem::path& path) const {
  constexpr std::uint32_t kNanosecondMagic = 0xa1b23c4d;
  constexpr std::uint32_t kEthernet = 1;
  constexpr std::uint32_t kSnapLength = 65535;
  std::ofstream file(path, std::ios::binary);
  put(file, kNanosecondMagic);
  put(file, std::uint16_t{2});
  put(file, std::uint16_t{4});
  put(file, std::uint32_t{0});
  put(file, std::uint32_t{0});
  put(file, kSnapLength);
  put(file, kEthernet);
  for (const Sighting& seen : since(0)) {
    const auto since_boot = seen.at.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
    put(file, static_cast<std::uint32_t>(seconds.count()));
    put(file, static_cast<std::uint32_t>((since_boot - seconds).count()));
    put(file, static_cast<std::uint32_t>(seen.frame.size()));
    put(file, static_cast<std::uint32_t>(seen.frame.size()));
    file.write(reinterpret_cast<const char*>(seen.frame.data()),
               static_cast<std::streamsize>(seen.frame.size()));
  }
  file.flush();
  if (!file) give_up("cannot write " + path.string());
}

}  // namespace ftfw::lab
