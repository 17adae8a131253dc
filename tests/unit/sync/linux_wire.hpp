// Two channels back to back in one thread, over a wire in memory and a virtual clock. What the wire does to
// each datagram (drop, repeat, hold back) is the test's choice; without one it delivers at once.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <string_view>
#include <vector>

#include "sync/linux/channel.hpp"

namespace ftfw::sync::testing {

class WireEnd final : public DatagramPort {
 public:
  // How often the datagram arrives: 0 lost, 1 once, 2 repeated.
  using Fate = std::function<int(ByteSpan)>;

  WireEnd(std::deque<ByteVector>& inbox, std::deque<ByteVector>& outbox, Fate& fate)
      : inbox_(inbox), outbox_(outbox), fate_(fate) {}

  int fd() const override { return -1; }
  Status send(ByteSpan datagram) override {
    for (int copies = fate_ ? fate_(datagram) : 1; copies > 0; --copies) {
      outbox_.emplace_back(datagram.begin(), datagram.end());
    }
    return {};
  }
  std::optional<ByteSpan> receive() override {
    if (inbox_.empty()) return std::nullopt;
    reading_ = std::move(inbox_.front());
    inbox_.pop_front();
    return reading_;
  }
  std::uint64_t foreign() const override { return 0; }

 private:
  std::deque<ByteVector>& inbox_;
  std::deque<ByteVector>& outbox_;
  Fate& fate_;
  ByteVector reading_;
};

// One end: a channel that can be killed and started again, and what it has said so far.
struct End {
  ChannelSettings settings;
  std::deque<ByteVector> inbox;
  WireEnd::Fate fate;  // of what this end sends
  std::unique_ptr<Channel> channel;
  std::vector<ChannelOutput> outputs;

  template <typename T>
  std::size_t count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        outputs, [](const ChannelOutput& output) { return std::holds_alternative<T>(output); }));
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const ChannelOutput& output : outputs) {
      if (const auto* received = std::get_if<Received>(&output)) {
        all.emplace_back(received->bytes.begin(), received->bytes.end());
      }
    }
    return all;
  }
  std::vector<HandshakeFailure> failures() const {
    std::vector<HandshakeFailure> all;
    for (const ChannelOutput& output : outputs) {
      if (const auto* failed = std::get_if<HandshakeFailed>(&output)) all.push_back(failed->reason);
    }
    return all;
  }
  Status send(std::string_view text) {
    return channel->send({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
};

struct Wire {
  Instant now{5h};  // not zero: nothing may depend on where the clock begins
  End a;            // "fw-1": the lower name
  End b;            // "fw-2"

  explicit Wire(bool insecure = false, ByteVector key_b = ByteVector(32, 7)) {
    a.settings = {.node = "fw-1", .peer = "fw-2", .key = ByteVector(32, 7), .insecure = insecure};
    b.settings = {.node = "fw-2", .peer = "fw-1", .key = std::move(key_b), .insecure = insecure};
  }

  // Also replaces one that was there, as a process that was killed and is started again.
  void start(End& end) {
    End& other = &end == &a ? b : a;
    auto made = make_channel_over(end.settings, std::make_unique<WireEnd>(end.inbox, other.inbox, end.fate));
    REQUIRE_MESSAGE(made.has_value(), made.error().text);
    end.channel = std::move(*made);
    end.channel->start(now);
  }

  void start_both() {
    start(a);
    start(b);
  }

  // Delivers what is under way; true if anything was.
  bool deliver() {
    bool any = false;
    for (End* end : {&a, &b}) {
      if (!end->channel || end->inbox.empty()) continue;
      any = true;
      end->channel->on_readable(now);
    }
    for (End* end : {&a, &b}) {
      if (!end->channel) continue;
      auto said = end->channel->take_outputs();
      std::ranges::move(said, std::back_inserter(end->outputs));
    }
    return any;
  }

  void settle() {
    while (deliver()) {
    }
  }

  // Runs until the condition holds; false if `limit` of virtual time passes first.
  bool run_until(const std::function<bool()>& condition, Duration limit) {
    const Instant end_of_time = now + limit;
    for (;;) {
      settle();
      if (condition()) return true;
      Instant next = end_of_time;
      for (End* end : {&a, &b}) {
        const auto deadline = end->channel ? end->channel->next_deadline() : std::nullopt;
        if (deadline) next = std::min(next, *deadline);
      }
      if (next >= end_of_time) {
        now = end_of_time;
        return condition();
      }
      now = std::max(now, next);
      for (End* end : {&a, &b}) {
        if (end->channel) end->channel->on_timer(now);
      }
    }
  }

  bool both_up() const { return a.channel->up() && b.channel->up(); }
  void connect() {
    start_both();
    REQUIRE(run_until([&] { return both_up(); }, 3s));
    settle();
  }
};

// Data goes both ways now.
inline bool talks(Wire& wire) {
  const std::size_t before_a = wire.a.texts().size();
  const std::size_t before_b = wire.b.texts().size();
  if (!wire.a.send("ping") || !wire.b.send("pong")) return false;
  wire.settle();
  return wire.a.texts().size() == before_a + 1 && wire.a.texts().back() == "pong" &&
         wire.b.texts().size() == before_b + 1 && wire.b.texts().back() == "ping";
}

}  // namespace ftfw::sync::testing
