// Every VRRP packet that comes out of the firewalls' cables, taken at the bridges' ports: so who sent it is
// known by the cable and not by what the packet says. Times are the kernel's own receive time stamps. One
// thread of real-time priority, ended by the destructor. Only what a wait has to know is read of the packets
// here; judging them is tshark's (write_pcap).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/base/time.hpp"
#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

struct Sighting {
  Instant at;  // CLOCK_MONOTONIC
  Node node = Node::fw_1;
  std::string interface;  // of that node
  std::uint8_t version = 0;
  std::uint8_t router_id = 0;
  std::uint8_t priority = 0;
  std::vector<std::uint8_t> frame;  // whole, with the Ethernet header
};

class AdvertisementCapture {
 public:
  static constexpr std::size_t kMaxSightings = 200'000;  // an hour of 10 ms advertisements is more

  // On these interfaces of both firewalls.
  AdvertisementCapture(const Lab& lab, const std::vector<std::string>& interfaces);
  ~AdvertisementCapture();
  AdvertisementCapture(const AdvertisementCapture&) = delete;
  AdvertisementCapture& operator=(const AdvertisementCapture&) = delete;

  // A place in the record, for since(): what comes from now on.
  std::size_t mark() const;
  std::vector<Sighting> since(std::size_t mark) const;

  // A file that tshark reads.
  void write_pcap(const std::filesystem::path& path) const;

 private:
  struct Tap {
    Node node;
    std::string interface;
    UniqueFd socket;
  };
  void work();
  void read(const Tap& tap);

  std::vector<Tap> taps_;
  Poller poller_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // guards the record
  std::vector<Sighting> record_;
  std::thread thread_;
};

}  // namespace ftfw::lab
