// How often and in what form the neighbours are told where the virtual addresses are. A value; any thread.
#pragma once

#include <cstdint>

#include "appliance/base/time.hpp"

namespace ftfw::vrrp {

// Some equipment learns from requests only (RFC 5227 wants them), some from replies only.
enum class ArpForm : std::uint8_t { request, reply, both };

struct AnnouncementPolicy {
  int repeats = 5;             // of every address in each burst; a single frame may be lost
  Duration spacing = 20ms;     // between the rounds of a burst
  Duration second_burst = 5s;  // for switches whose port was still learning at the first one; 0: none
  Duration refresh = 60s;      // once again, while Active; 0: never
  ArpForm arp = ArpForm::request;
};

}  // namespace ftfw::vrrp
