// How one dedicated link does, measured by small probes every 100 ms in both directions. Pure; owned by
// LinkSet. Each probe says which of the peer's last 32 probes arrived, so each node knows of both directions:
// what it hears, and what of its own is heard. A link that only carries one way is not sound.
//
//   0      1         2          4          8               12          16
//   | 0xff | version | reserved | sequence | last received | bit field |
//   bit i of the field: last received - i has arrived. Further bytes are skipped.
//   A frame of the session begins with its version, which is never 0xff.
#pragma once

#include <cstdint>

#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"

namespace ftfw::sync {

class LinkHealth {
 public:
  static constexpr Duration kInterval = 100ms;
  // Three probes lost in a row and some jitter.
  static constexpr Duration kSilentAfter = 350ms;
  static constexpr unsigned kWindow = 32;  // probes that are remembered

  static bool is_probe(ByteSpan payload) { return !payload.empty() && payload[0] == kKind; }

  // A new association: nothing is known but that both ends have just heard each other.
  void begin(Instant now);
  ByteVector next_probe();
  // False: not a probe of this version.
  bool on_probe(Instant now, ByteSpan payload);
  // Anything authentic of the peer.
  void heard(Instant now) { heard_ = now; }

  // The peer is heard and hears us.
  bool sound(Instant now) const;
  Duration silence(Instant now) const { return now - heard_; }
  // How many of the last 32 probes to the peer arrived there, by its own account; grows from 0.
  unsigned delivered() const;

 private:
  static constexpr std::uint8_t kKind = 0xff;
  static constexpr std::uint8_t kVersion = 1;

  // Sent and not reported by the peer yet.
  std::uint32_t unreported() const { return sent_ - reported_last_; }

  std::uint32_t sent_ = 0;
  std::uint32_t received_last_ = 0;
  std::uint32_t received_ = 0;
  std::uint32_t reported_last_ = 0;
  std::uint32_t reported_ = 0;
  Instant heard_{};
};

}  // namespace ftfw::sync
