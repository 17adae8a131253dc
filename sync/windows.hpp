// Reliable, ordered delivery in one direction: what was sent and is not acknowledged yet, and what was
// received and is not delivered yet. Both are bounded by kWindowFrames. Sequences start at 1 and never wrap
// (64 bits). Selective repeat: each frame has its own retransmission time, and an acknowledgement names every
// frame that arrived. The time follows the round trip (RFC 6298): a peer that is busy writing to its kernel
// answers late, and to repeat a whole window to it makes it busier.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"
#include "sync/wire.hpp"

namespace ftfw::sync {

inline constexpr std::size_t kWindowFrames = 256;
inline constexpr Duration kFirstRetransmission =
    30ms;  // a dedicated link answers within 1 ms, plus 5 ms of delayed ack
inline constexpr Duration kLongestRetransmission = 500ms;
inline constexpr std::uint64_t kReorderedBeforeLost = 3;  // RFC 9002 6.1.1: packets that passed a lost one

// What of a frame is of interest to status: entries and their ends, and when the oldest was reported.
struct FrameLoad {
  std::size_t entries = 0;
  std::optional<Instant> oldest;

  void add(const FrameLoad& other);
};

class SendWindow {
 public:
  struct InFlight {
    std::uint64_t sequence = 0;
    std::uint64_t epoch = 0;
    ByteVector body;
    FrameLoad load;
    Instant sent{};  // the first time
    Instant due{};
    Duration timeout = kFirstRetransmission;
    bool received = false;  // selectively acknowledged
    bool hurried = false;   // resent early once because later frames arrived
    bool repeated = false;  // its acknowledgement says nothing about the way's length
  };

  bool open() const { return frames_.size() < kWindowFrames; }
  std::size_t unacknowledged() const { return frames_.size(); }
  FrameLoad load() const;  // of all that is not acknowledged
  std::uint64_t acknowledged_entries() const { return acknowledged_entries_; }  // since ever
  void clear();

  // Takes the body; the frame is to be sent now.
  const InFlight& add(Instant now, std::uint64_t epoch, ByteVector body, const FrameLoad& load = FrameLoad());
  // What the peer has. Frames that later ones overtook become due at once.
  void acknowledge(Instant now, std::uint64_t up_to, const std::vector<std::uint64_t>& selective);
  // The oldest frame that is due, its next time set; nothing when none is.
  const InFlight* take_due(Instant now);
  std::optional<Instant> next_due() const;
  // The time after which a frame that nobody answers is sent again.
  Duration retransmission() const;

 private:
  void measure(Instant now, const InFlight& frame);

  std::deque<InFlight> frames_;
  Duration round_trip_{};  // smoothed, and how much it varies; zero before the first measurement
  Duration variation_{};
  std::uint64_t next_ = 1;
  std::uint64_t acknowledged_entries_ = 0;
};

class ReceiveWindow {
 public:
  enum class Verdict : std::uint8_t { fresh, duplicate, beyond };

  Verdict add(wire::Frame frame);
  // The next in order, if it is there.
  std::optional<wire::Frame> take();
  // The next that is there, whatever is missing before it: for a takeover, when nothing more will come.
  std::optional<wire::Frame> take_across_gaps();
  bool deliverable() const { return ahead_.contains(delivered_ + 1); }
  bool has_gap() const { return !ahead_.empty() && !deliverable(); }

  std::uint64_t delivered() const { return delivered_; }
  std::size_t waiting() const { return ahead_.size(); }
  std::vector<std::uint64_t> selective() const;
  void clear();

 private:
  std::uint64_t delivered_ = 0;
  std::map<std::uint64_t, wire::Frame> ahead_;
};

}  // namespace ftfw::sync
