// What the engine wants done, as data, in the order in which it must be done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"
#include "vrrp/notice.hpp"
#include "vrrp/settings.hpp"
#include "vrrp/state.hpp"

namespace ftfw::vrrp {

// With TTL (hop limit) 255, from the leg's primary address. One to the group of the leg's family, or one to
// each unicast peer.
struct SendAdvertisement {
  std::size_t router = 0;
  ByteVector packet;
  IpAddress destination;
};

// Why the state changed.
struct Cause {
  enum class Kind : std::uint8_t {
    started,
    claimed_at_start,            // --role primary, or the owner's priority
    silence,                     // nobody was heard for the down interval
    priority_zero,               // the Active router released
    preempted,                   // a lower priority was Active
    better_advertisement,        // router: the leg it came on
    link_lost,                   // router: the leg
    link_restored,               // router: the last leg that came back
    tracked_interface_lost,      // router: index into Settings::tracked_interfaces
    tracked_interface_restored,  // likewise
    lateness,                    // this machine slept longer than the others wait
    released,
    stopped,
  };
  Kind kind = Kind::started;
  std::size_t router = 0;

  bool operator==(const Cause&) const = default;
};
// "link of VI_2 (eth0) lost"
std::string to_string(const Cause& cause, const Settings& settings);

// Follows the advertisements that announce it to the network.
struct StateChanged {
  State from = State::initialize;
  State to = State::initialize;
  Cause cause;
  Instant at;
  std::optional<Instant> last_heard;  // the last advertisement of another node: when its silence began
};

// Another node believed to be Active: neighbours may have learned its MAC, send the announcements again.
struct AnnounceAgain {};

// Another node is heard as Active (priority above 0). Told when it follows a silence, a priority 0 or a
// release(), and always when it makes us step down.
struct ActivePeerHeard {
  Instant at;
  std::uint8_t priority = 0;
};

using Output = std::variant<SendAdvertisement, StateChanged, AnnounceAgain, ActivePeerHeard, Notice>;

}  // namespace ftfw::vrrp
