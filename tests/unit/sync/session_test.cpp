#include "sync/session.hpp"

#include <doctest/doctest.h>

#include "sync/windows.hpp"

using namespace ftfw;
using namespace ftfw::sync;

namespace {

constexpr Instant kStart{1h};

struct Side {
  Counters counters;
  Session session;
  Side(const char* node, const char* peer, std::uint64_t instance) : session(node, peer, instance, counters) {
    session.set_channel(kStart, true);
  }
};

void exchange(Side& a, Side& b, Instant now, int rounds = 6) {
  for (int i = 0; i < rounds; ++i) {
    a.session.run(now);
    b.session.run(now);
    for (const ByteVector& bytes : std::exchange(a.session.outgoing(), {})) b.session.on_frame(now, bytes);
    for (const ByteVector& bytes : std::exchange(b.session.outgoing(), {})) a.session.on_frame(now, bytes);
  }
}

ByteVector begin_body(std::uint64_t number) {
  ByteVector body;
  wire::encode(wire::Begin{number}, body);
  return body;
}

std::vector<std::uint64_t> received(Session& session) {
  std::vector<std::uint64_t> numbers;
  while (auto frame = session.take()) {
    for (const wire::Message& message : frame->messages) {
      if (const auto* begin = std::get_if<wire::Begin>(&message)) numbers.push_back(begin->send);
    }
  }
  return numbers;
}

}  // namespace

TEST_CASE("two processes agree within a few frames and see each other alive") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  CHECK(a.session.peer().alive);
  CHECK(b.session.peer().alive);
  CHECK(a.session.can_send());
}

TEST_CASE("frames come in order and once, whatever the network does, and are acknowledged") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  for (std::uint64_t i = 1; i <= 5; ++i) a.session.send(kStart, 1, begin_body(i));
  auto frames = std::exchange(a.session.outgoing(), {});
  for (const std::size_t i : {4U, 1U, 1U, 0U}) b.session.on_frame(kStart, frames[i]);
  CHECK(received(b.session) == std::vector<std::uint64_t>{1, 2});
  CHECK(b.counters.frames_duplicate == 1);
  exchange(a, b, kStart + kFirstRetransmission);
  CHECK(received(b.session) == std::vector<std::uint64_t>{3, 4, 5});
  exchange(a, b, kStart + kFirstRetransmission + kAcknowledgeAfter);
  exchange(a, b, kStart + kFirstRetransmission + 2 * kAcknowledgeAfter);
  CHECK(a.session.unacknowledged() == 0);
}

TEST_CASE("a restarted peer is agreed with anew, and frames of its former process are foreign") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  b.session.send(kStart, 1, begin_body(1));
  const auto late = std::exchange(b.session.outgoing(), {});
  Side again("fw-2", "fw-1", 33);
  exchange(a, again, kStart + kStateInterval);
  CHECK(a.session.number() == 2);
  CHECK(again.session.peer().alive);
  a.session.on_frame(kStart, late.front());
  CHECK(received(a.session).empty());
  CHECK(a.counters.frames_foreign == 1);
}

TEST_CASE("a late hello of a dead process does not displace the living one") {
  Side a("fw-1", "fw-2", 11);
  Side dead("fw-2", "fw-1", 22);
  dead.session.run(kStart);
  const auto late = std::exchange(dead.session.outgoing(), {});
  Side b("fw-2", "fw-1", 33);
  exchange(a, b, kStart);
  for (const ByteVector& bytes : late) a.session.on_frame(kStart, bytes);
  exchange(a, b, kStart + kStateInterval);
  CHECK(a.session.number() == 1);
  a.session.send(kStart, 1, begin_body(9));
  exchange(a, b, kStart + kStateInterval);
  CHECK(received(b.session) == std::vector<std::uint64_t>{9});
}

TEST_CASE("our own hello reflected, and one of another node, are refused") {
  Side a("fw-1", "fw-2", 11);
  a.session.run(kStart);
  const auto own = std::exchange(a.session.outgoing(), {});
  CHECK(a.session.on_frame(kStart, own.front()).refusal == Handshake::Refusal::reflected);
  Side stranger("fw-9", "fw-1", 44);
  stranger.session.run(kStart);
  CHECK(a.session.on_frame(kStart, stranger.session.outgoing().front()).refusal ==
        Handshake::Refusal::wrong_name);
  CHECK_FALSE(a.session.agreed());
}

TEST_CASE("a silent peer is dead after a second, and the conversation goes on when it speaks again") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  a.session.send(kStart, 1, begin_body(1));
  a.session.outgoing().clear();
  CHECK(a.session.run(kStart + kPeerDeadAfter));
  CHECK_FALSE(a.session.peer().alive);
  CHECK_FALSE(a.session.can_send());
  a.session.outgoing().clear();
  exchange(a, b, kStart + 1h);
  exchange(a, b, kStart + 1h + kStateInterval);
  CHECK(a.session.number() == 1);
  CHECK(received(b.session) == std::vector<std::uint64_t>{1});
}

TEST_CASE("a malformed datagram is counted and changes nothing") {
  Side a("fw-1", "fw-2", 11);
  CHECK_FALSE(a.session.on_frame(kStart, ByteVector{1, 2, 3}).error.empty());
  CHECK(a.counters.frames_malformed == 1);
}

TEST_CASE("the window closes at its limit, and an acknowledgement of what was never sent is not believed") {
  SendWindow window;
  for (std::size_t i = 0; i < kWindowFrames; ++i) window.add(kStart, 1, {});
  CHECK_FALSE(window.open());
  window.acknowledge(kStart, kWindowFrames + 1, {});
  CHECK(window.unacknowledged() == kWindowFrames);
  window.acknowledge(kStart, 1, {});
  CHECK(window.open());
}

TEST_CASE("a frame that three later ones overtook is resent at once, others wait and back off") {
  SendWindow window;
  for (int i = 0; i < 5; ++i) window.add(kStart, 1, {});
  CHECK(window.take_due(kStart) == nullptr);
  window.acknowledge(kStart, 0, {0b11110});
  const auto* hurried = window.take_due(kStart);
  REQUIRE(hurried != nullptr);
  CHECK(hurried->sequence == 1);
  CHECK(window.take_due(kStart) == nullptr);
  CHECK(window.take_due(kStart + kFirstRetransmission)->sequence == 1);
  CHECK(window.next_due() == kStart + kFirstRetransmission * 3);
}

TEST_CASE(
    "a peer that answers late is given the time it takes, and no longer than that once it is quick again") {
  SendWindow window;
  Instant now = kStart;
  std::uint64_t sequence = 0;
  const auto answered_after = [&](Duration time, int frames) {
    for (int i = 0; i < frames; ++i) {
      window.add(now, 1, {});
      now += time;
      window.acknowledge(now, ++sequence, {});
    }
  };
  answered_after(100ms, 20);
  CHECK(window.retransmission() >= 100ms);
  window.add(now, 1, {});
  CHECK(window.take_due(now + 90ms) == nullptr);
  // Repeated: whichever of the two is answered, it is no measurement.
  const Duration before = window.retransmission();
  now += before;
  REQUIRE(window.take_due(now) != nullptr);
  window.acknowledge(now, ++sequence, {});
  CHECK(window.retransmission() == before);
  answered_after(1ms, 60);
  CHECK(window.retransmission() == kFirstRetransmission);
  answered_after(10s, 20);
  CHECK(window.retransmission() == kLongestRetransmission);
}

TEST_CASE("a received frame beyond the window is refused") {
  ReceiveWindow window;
  wire::Frame frame;
  frame.header.sequence = kWindowFrames + 1;
  CHECK(window.add(frame) == ReceiveWindow::Verdict::beyond);
  frame.header.sequence = kWindowFrames;
  CHECK(window.add(frame) == ReceiveWindow::Verdict::fresh);
  CHECK(window.selective().size() == wire::kSelectiveWords);
  CHECK(window.has_gap());
  CHECK(window.take_across_gaps().has_value());
}

TEST_CASE("a group message goes with every state while it stands, and a state without one takes it back") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  const GroupMessage request{.kind = GroupMessage::Kind::request, .epoch = 3, .attempt = 1};
  const wire::State state{.group = {.role = GroupRole::primary, .primary_epoch = 3}};
  a.session.set_state(state, request);
  a.session.run(kStart);
  a.session.outgoing().clear();  // lost
  exchange(a, b, kStart + kStateInterval);
  CHECK((b.session.peer().message == request));
  a.session.set_state(state);
  exchange(a, b, kStart + kStateInterval);
  CHECK_FALSE(b.session.peer().message);
}

TEST_CASE("a late state changes nothing, nor does the group message in it") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  a.session.set_state({}, GroupMessage{.kind = GroupMessage::Kind::go, .epoch = 3, .attempt = 1});
  a.session.run(kStart);
  const auto late = std::exchange(a.session.outgoing(), {});
  a.session.set_state({.group = {.priority = 7}});
  exchange(a, b, kStart);
  for (const ByteVector& bytes : late) CHECK_FALSE(b.session.on_frame(kStart, bytes).stated);
  CHECK(b.session.peer().group.priority == 7);
  CHECK_FALSE(b.session.peer().message);
}

TEST_CASE("a shorter beat counts at once, and only towards a peer that lives") {
  Side a("fw-1", "fw-2", 11);
  Side b("fw-2", "fw-1", 22);
  exchange(a, b, kStart);
  a.session.set_state({}, std::nullopt, 10ms);
  a.session.run(kStart + 1ms);
  CHECK(*a.session.next_deadline() <= kStart + 11ms);
  a.session.run(kStart + kPeerDeadAfter);
  a.session.outgoing().clear();
  CHECK_FALSE(a.session.peer().alive);
  a.session.run(kStart + kPeerDeadAfter + 1ms);
  a.session.outgoing().clear();
  a.session.run(kStart + kPeerDeadAfter + 20ms);
  CHECK(a.session.outgoing().empty());
}
