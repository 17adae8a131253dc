// The conversation with the peer: handshake, reliable frames both ways, acknowledgements, the state at its
// beat, and whether the peer lives. It outlives cuts of the channel: as long as neither process restarted, a
// cut of hours costs nothing but the frames that could not be sent. Which messages mean what is the engine's
// business.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "sync/counters.hpp"
#include "sync/group_state.hpp"
#include "sync/handshake.hpp"
#include "sync/windows.hpp"

namespace ftfw::sync {

inline constexpr Duration kStateInterval = 100ms;
inline constexpr Duration kPeerDeadAfter = 1s;
inline constexpr Duration kAcknowledgeAfter = 5ms;
inline constexpr std::size_t kAcknowledgeFrames = 8;  // received and not acknowledged: acknowledge at once

class Session {
 public:
  Session(std::string node, std::string peer, std::uint64_t instance, Counters& counters);

  void set_channel(Instant now, bool up);
  struct Received {
    bool new_session = false;
    bool stated = false;  // a state that is newer than all before
    Handshake::Refusal refusal = Handshake::Refusal::none;
    std::string error;  // malformed: why
  };
  Received on_frame(Instant now, ByteSpan bytes);

  // Ours, sent at every beat and at once when it or the message that goes with it changes.
  void set_state(const wire::State& state, const std::optional<GroupMessage>& message = std::nullopt,
                 Duration beat = kStateInterval);

  // Sequenced frames. can_send: a living peer, and the window is open.
  bool can_send() const { return channel_up_ && alive_ && send_.open(); }
  void send(Instant now, std::uint64_t epoch, ByteVector body, const FrameLoad& load = FrameLoad());
  std::optional<wire::Frame> take();
  std::optional<wire::Frame> take_across_gaps() { return receive_.take_across_gaps(); }
  bool has_gap() const { return receive_.has_gap(); }

  // Everything that is due: hello, state, retransmissions, acknowledgements. True: the peer was declared
  // dead.
  bool run(Instant now);
  std::optional<Instant> next_deadline() const;
  std::deque<ByteVector>& outgoing() { return outgoing_; }

  const PeerState& peer() const { return peer_; }
  const TableState& peer_table() const { return peer_table_; }
  std::uint32_t peer_uptime_s() const { return peer_uptime_s_; }
  std::uint32_t peer_features() const { return handshake_.peer_features(); }
  bool agreed() const { return handshake_.agreed(); }
  std::uint64_t number() const { return number_; }  // grows with every new session
  std::size_t unacknowledged() const { return send_.unacknowledged(); }
  FrameLoad unacknowledged_load() const { return send_.load(); }
  std::uint64_t acknowledged_entries() const { return send_.acknowledged_entries(); }
  std::size_t undelivered() const { return receive_.waiting(); }

 private:
  void on_hello(const wire::Header& header, const wire::Hello& hello, Received& received);
  bool on_state(const wire::Frame& frame);
  void on_sequenced(Instant now, wire::Frame frame);
  wire::Header header_to_peer() const;
  void transmit(const wire::Header& header, ByteSpan body);
  void transmit_hello();
  void transmit_state(Instant now);
  void set_alive(Instant now, bool alive);
  // Nobody waits for the word of a node that speaks to nobody.
  Duration beat() const { return alive_ ? beat_ : kStateInterval; }

  Counters& counters_;
  Handshake handshake_;
  SendWindow send_;
  ReceiveWindow receive_;
  PeerState peer_;
  TableState peer_table_;
  std::uint32_t peer_uptime_s_ = 0;
  wire::State state_;
  std::optional<GroupMessage> message_;  // goes with every state
  Duration beat_ = kStateInterval;
  std::optional<Instant> started_;
  std::deque<ByteVector> outgoing_;
  bool channel_up_ = false;
  bool alive_ = false;  // heard within kPeerDeadAfter, and it speaks to this process
  bool hello_due_ = false;
  bool state_due_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t peer_state_number_ = 0;
  Instant last_heard_{};
  Instant next_beat_{};  // hello or state
  std::optional<Instant> acknowledge_at_;
  std::size_t unacknowledged_here_ = 0;  // arrived
  std::size_t delivered_here_ = 0;       // taken, and the peer's window does not know it yet
};

}  // namespace ftfw::sync
