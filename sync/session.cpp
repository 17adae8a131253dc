#include "sync/session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ftfw::sync {

Session::Session(std::string node, std::string peer, std::uint64_t instance, Counters& counters)
    : counters_(counters), handshake_(std::move(node), std::move(peer), instance) {}

void Session::set_channel(Instant now, bool up) {
  channel_up_ = up;
  next_beat_ = now;
  // Whether the peer is gone is for its silence to say: a channel may be rebuilt within it.
}

Session::Received Session::on_frame(Instant now, ByteSpan bytes) {
  Received received;
  ++counters_.frames_received;
  counters_.bytes_received += bytes.size();
  auto frame = wire::decode_frame(bytes);
  if (!frame) {
    ++counters_.frames_malformed;
    received.error = frame.error().text;
    return received;
  }
  counters_.messages_unknown += frame->unknown_messages;
  for (const wire::Message& message : frame->messages) {
    if (const auto* hello = std::get_if<wire::Hello>(&message)) on_hello(frame->header, *hello, received);
  }
  const wire::Header& header = frame->header;
  const bool ours =
      header.instance == handshake_.peer_instance() && header.peer_instance == handshake_.instance();
  if (!ours) {
    // A hello from a process that is not agreed yet has its answer; anything else is of a dead process.
    if (frame->messages.empty() || !std::holds_alternative<wire::Hello>(frame->messages.front())) {
      ++counters_.frames_foreign;
    }
    return received;
  }
  last_heard_ = now;
  send_.acknowledge(now, header.acknowledged, header.selective);
  if (on_state(*frame)) {
    received.stated = true;
    set_alive(now, true);
  }
  if (header.sequence != 0) on_sequenced(now, std::move(*frame));
  return received;
}

void Session::on_hello(const wire::Header& header, const wire::Hello& hello, Received& received) {
  const Handshake::Outcome outcome = handshake_.on_hello(header, hello);
  if (outcome.refusal != Handshake::Refusal::none) {
    ++counters_.hellos_refused;
    received.refusal = outcome.refusal;
    return;
  }
  hello_due_ |= outcome.answer;
  if (!outcome.adopted) return;
  send_.clear();
  receive_.clear();
  acknowledge_at_.reset();
  unacknowledged_here_ = 0;
  peer_state_number_ = 0;
  peer_ = {.node = handshake_.peer_name()};
  peer_table_ = {};
  alive_ = false;
  state_due_ = true;
  ++number_;
  ++counters_.sessions;
  received.new_session = true;
}

// A group message belongs to the state of its frame, and is as old as that.
bool Session::on_state(const wire::Frame& frame) {
  const wire::State* state = nullptr;
  const GroupMessage* word = nullptr;
  for (const wire::Message& message : frame.messages) {
    if (const auto* found = std::get_if<wire::State>(&message)) state = found;
    if (const auto* found = std::get_if<GroupMessage>(&message)) word = found;
  }
  if (state == nullptr || state->number <= peer_state_number_) return false;
  peer_state_number_ = state->number;
  peer_.role = state->role;
  peer_.in_sync = state->in_sync;
  peer_.source_epoch = state->source_epoch;
  peer_.hears_source = state->hears_source;
  peer_.group = state->group;
  peer_.message = word == nullptr ? std::nullopt : std::optional(*word);
  peer_table_ = state->table;
  peer_uptime_s_ = state->uptime_s;
  return true;
}

void Session::set_alive(Instant now, bool alive) {
  if (alive == alive_) return;
  alive_ = alive;
  peer_.alive = alive;
  if (!alive) next_beat_ = now;
}

void Session::on_sequenced(Instant now, wire::Frame frame) {
  const bool in_order = frame.header.sequence == receive_.delivered() + receive_.waiting() + 1;
  switch (receive_.add(std::move(frame))) {
    case ReceiveWindow::Verdict::beyond:
      ++counters_.frames_beyond_window;
      return;
    case ReceiveWindow::Verdict::duplicate:
      ++counters_.frames_duplicate;
      acknowledge_at_ = now;  // the sender missed ours
      return;
    case ReceiveWindow::Verdict::fresh:
      break;
  }
  ++unacknowledged_here_;
  const bool at_once = !in_order || unacknowledged_here_ >= kAcknowledgeFrames;
  const Instant due = at_once ? now : now + kAcknowledgeAfter;
  acknowledge_at_ = acknowledge_at_ ? std::min(*acknowledge_at_, due) : due;
}

std::optional<wire::Frame> Session::take() {
  auto frame = receive_.take();
  if (frame) ++delivered_here_;
  return frame;
}

void Session::set_state(const wire::State& state, const std::optional<GroupMessage>& message, Duration beat) {
  beat_ = beat;
  wire::State next = state;
  next.number = state_.number;
  next.uptime_s = state_.uptime_s;
  if (next == state_ && message == message_) return;
  state_ = std::move(next);
  message_ = message;
  state_due_ = true;
}

void Session::send(Instant now, std::uint64_t epoch, ByteVector body, const FrameLoad& load) {
  const SendWindow::InFlight& frame = send_.add(now, epoch, std::move(body), load);
  wire::Header header = header_to_peer();
  header.sequence = frame.sequence;
  header.epoch = frame.epoch;
  transmit(header, frame.body);
}

wire::Header Session::header_to_peer() const {
  return {.instance = handshake_.instance(),
          .peer_instance = handshake_.peer_instance(),
          .acknowledged = receive_.delivered(),
          .selective = receive_.selective()};
}

void Session::transmit(const wire::Header& header, ByteSpan body) {
  outgoing_.push_back(wire::encode_frame(header, body));
  ++counters_.frames_sent;
  counters_.bytes_sent += outgoing_.back().size();
  if (header.peer_instance != handshake_.peer_instance()) return;
  acknowledge_at_.reset();
  unacknowledged_here_ = 0;
  delivered_here_ = 0;
}

void Session::transmit_hello() {
  hello_due_ = false;
  wire::Header header{.instance = handshake_.instance(), .peer_instance = handshake_.addressee()};
  if (header.peer_instance == handshake_.peer_instance()) header = header_to_peer();
  ByteVector body;
  wire::encode(handshake_.hello(), body);
  transmit(header, body);
}

void Session::transmit_state(Instant now) {
  state_due_ = false;
  next_beat_ = now + beat();
  ++state_.number;
  state_.uptime_s =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now - *started_).count());
  ByteVector body;
  wire::encode(state_, body);
  if (message_) wire::encode(*message_, body);
  transmit(header_to_peer(), body);
}

bool Session::run(Instant now) {
  if (!started_) started_ = now;
  const bool died = alive_ && now - last_heard_ >= kPeerDeadAfter;
  if (died) set_alive(now, false);
  if (!channel_up_) return died;
  // A beat that has become shorter counts from now on.
  next_beat_ = std::min(next_beat_, now + beat());
  if (now >= next_beat_) {
    hello_due_ |= !alive_;
    state_due_ = true;
    next_beat_ = now + beat();
  }
  if (hello_due_) transmit_hello();
  if (state_due_ && agreed()) transmit_state(now);
  if (alive_) {
    while (const SendWindow::InFlight* frame = send_.take_due(now)) {
      wire::Header header = header_to_peer();
      header.sequence = frame->sequence;
      header.epoch = frame->epoch;
      ++counters_.frames_resent;
      transmit(header, frame->body);
    }
  }
  // Frames that waited for room in the injector: the sender's window opens only when it hears of them.
  if (delivered_here_ != 0 && !acknowledge_at_) {
    acknowledge_at_ = delivered_here_ >= kAcknowledgeFrames ? now : now + kAcknowledgeAfter;
  }
  if (acknowledge_at_ && now >= *acknowledge_at_) transmit(header_to_peer(), {});
  return died;
}

std::optional<Instant> Session::next_deadline() const {
  std::optional<Instant> next;
  const auto earlier = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  if (alive_) earlier(last_heard_ + kPeerDeadAfter);
  if (!channel_up_) return next;
  earlier(next_beat_);
  if (alive_) earlier(send_.next_due());
  earlier(acknowledge_at_);
  return next;
}

}  // namespace ftfw::sync
