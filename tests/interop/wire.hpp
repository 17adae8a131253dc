// Questions to the captured packets of one election: who claims, since when, until when. A claim is an
// advertisement with a priority above 0, a release one with priority 0.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "tests/interop/speaker.hpp"
#include "tests/netns/lab/advertisement_capture.hpp"

namespace ftfw::interop {

enum class Kind { claim, release };

class Wire {
 public:
  Wire(const lab::AdvertisementCapture& capture, Dialect dialect);

  std::size_t mark() const { return capture_.mark(); }

  // Times on one leg, of what was captured since the mark.
  std::vector<Instant> times(lab::Node node, const Leg& leg, Kind kind, std::size_t mark) const;
  std::optional<Instant> first(lab::Node node, const Leg& leg, Kind kind, std::size_t mark) const;
  std::optional<Instant> last(lab::Node node, const Leg& leg, Kind kind, std::size_t mark) const;

  // On every leg since the mark.
  bool all_legs(lab::Node node, Kind kind, std::size_t mark) const;
  bool no_leg(lab::Node node, Kind kind, std::size_t mark) const;

  // It claims on every leg, and since three intervals nobody else does.
  bool only(lab::Node node) const;

  // Since the mark, on the leg where it is worst:
  // from the last claim of `before` (ever) to the first claim of `after`;
  std::optional<Duration> change(lab::Node before, lab::Node after, std::size_t mark) const;
  // from the first claim of `winner` to the last of the other one: how long both claimed, 0 if never;
  Duration overlap(lab::Node winner, std::size_t mark) const;
  // the longest time without a claim of anybody, until the last claim.
  Duration longest_silence(std::size_t mark) const;

 private:
  const lab::AdvertisementCapture& capture_;
  Dialect dialect_;
};

// Hands everything captured to tshark and compares each packet with what the dialect says: version, type, id,
// TTL, traffic class, destination, interval, addresses, authentication, checksum. Returns one line for each
// kind of difference (the peer's too), and in `counted` how many packets of each node it has read.
struct Audit {
  std::size_t packets[2] = {};  // of fw-1, fw-2
  std::vector<std::string> problems;
};
Audit audit(lab::Lab& lab, const lab::AdvertisementCapture& capture, const Dialect& dialect);

}  // namespace ftfw::interop
