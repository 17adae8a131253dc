// Several links as one channel, over wires in memory and a virtual clock: which link a frame takes, what a
// cut, a loss or a restart changes, and that no frame goes twice.
#include <doctest/doctest.h>

#include <array>
#include <random>

#include "sync/linux/link_set.hpp"
#include "tests/unit/sync/linux_wire.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

constexpr std::size_t kLinks = 2;

// One node: a channel over several wires.
struct Machine {
  ChannelSettings settings;
  std::array<std::deque<ByteVector>, kLinks> inboxes;
  std::array<WireEnd::Fate, kLinks> fates;  // of what it sends
  std::unique_ptr<LinkSet> links;
  std::vector<std::string> heard;
  int ups = 0;
  int downs = 0;

  bool send(std::string_view text) {
    return links->send({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}).has_value();
  }
  LinkStatus link(std::size_t index) const { return links->links().at(index); }
  std::uint64_t frames_on(std::size_t index) const { return link(index).counters.datagrams_sent; }
};

struct Cables {
  Instant now{5h};
  Machine a;
  Machine b;
  std::mt19937 random{4711};

  explicit Cables(bool insecure = false) {
    a.settings = {.node = "fw-1", .peer = "fw-2", .key = ByteVector(32, 7), .insecure = insecure};
    b.settings = {.node = "fw-2", .peer = "fw-1", .key = ByteVector(32, 7), .insecure = insecure};
  }

  void start(Machine& machine) {
    Machine& other = &machine == &a ? b : a;
    std::vector<LinkSet::Link> links;
    for (std::size_t i = 0; i < kLinks; ++i) {
      auto channel = make_channel_over(
          machine.settings,
          std::make_unique<WireEnd>(machine.inboxes.at(i), other.inboxes.at(i), machine.fates.at(i)));
      REQUIRE(channel.has_value());
      links.push_back({"eth" + std::to_string(i + 2), std::move(*channel), nullptr});
    }
    auto made = LinkSet::over(std::move(links));
    REQUIRE(made.has_value());
    machine.links = std::move(*made);
    machine.links->start(now);
  }

  void settle() {
    for (bool any = true; any;) {
      any = false;
      for (Machine* machine : {&a, &b}) {
        if (!machine->links) continue;
        for (const auto& inbox : machine->inboxes) any |= !inbox.empty();
        machine->links->on_readable(now);
        for (const ChannelOutput& output : machine->links->take_outputs()) {
          if (const auto* received = std::get_if<Received>(&output)) {
            machine->heard.emplace_back(received->bytes.begin(), received->bytes.end());
          }
          machine->ups += std::holds_alternative<AssociationUp>(output) ? 1 : 0;
          machine->downs += std::holds_alternative<AssociationDown>(output) ? 1 : 0;
        }
      }
    }
  }

  bool run_until(const std::function<bool()>& condition, Duration limit) {
    const Instant end = now + limit;
    for (;;) {
      settle();
      if (condition()) return true;
      if (now >= end) return false;
      Instant next = end;
      for (Machine* machine : {&a, &b}) {
        const auto deadline = machine->links ? machine->links->next_deadline() : std::nullopt;
        if (deadline) next = std::min(next, *deadline);
      }
      now = std::max(now, next);
      for (Machine* machine : {&a, &b}) {
        if (machine->links) machine->links->on_timer(now);
      }
    }
  }
  void run(Duration time) {
    run_until([] { return false; }, time);
  }

  // Both ways, or what one machine sends.
  void cut(std::size_t link) {
    a.fates.at(link) = [](ByteSpan) { return 0; };
    b.fates.at(link) = [](ByteSpan) { return 0; };
  }
  void restore(std::size_t link) {
    a.fates.at(link) = nullptr;
    b.fates.at(link) = nullptr;
  }
  void lose(Machine& machine, std::size_t link, unsigned percent) {
    machine.fates.at(link) = [this, percent](ByteSpan) { return random() % 100 < percent ? 0 : 1; };
  }

  void connect() {
    start(a);
    start(b);
    REQUIRE(run_until(
        [&] {
          return a.link(0).condition == LinkCondition::sound && a.link(1).condition == LinkCondition::sound &&
                 b.link(0).condition == LinkCondition::sound && b.link(1).condition == LinkCondition::sound;
        },
        2s));
    run(5s);
  }
};

bool carries(const Machine& machine, std::size_t link) {
  return machine.link(link).carries;
}

TEST_CASE("two links are up and sound, frames take the first, and each frame goes once") {
  for (const bool insecure : {false, true}) {
    Cables cables(insecure);
    cables.connect();
    CHECK(carries(cables.a, 0));
    CHECK_FALSE(carries(cables.a, 1));
    CHECK(cables.a.link(0).delivered == LinkHealth::kWindow);
    CHECK(cables.a.link(1).delivered == LinkHealth::kWindow);
    CHECK(cables.a.ups == 2);
    CHECK(cables.a.downs == 0);
    const std::uint64_t before = cables.a.frames_on(1);
    for (int i = 0; i < 50; ++i) CHECK(cables.a.send("frame " + std::to_string(i)));
    cables.settle();
    CHECK(cables.b.heard.size() == 50);
    CHECK(cables.a.frames_on(1) == before);
  }
}

TEST_CASE("the link in use is cut -> left within half a second, nobody is told, and back when it is proven") {
  Cables cables;
  cables.connect();
  cables.cut(0);
  const Instant cut = cables.now;
  REQUIRE(cables.run_until([&] { return carries(cables.a, 1) && carries(cables.b, 1); }, 2s));
  CHECK(cables.now - cut <= 500ms);
  CHECK(cables.a.send("by the second"));
  CHECK(cables.b.send("and back"));
  cables.settle();
  CHECK(cables.b.heard == std::vector<std::string>{"by the second"});
  CHECK(cables.a.heard == std::vector<std::string>{"and back"});
  CHECK(cables.a.link(0).condition == LinkCondition::silent);
  CHECK(cables.a.downs == 0);
  // A cut of minutes, then the first is preferred again once it delivers like the second.
  cables.run(180s);
  CHECK(carries(cables.a, 1));
  CHECK(cables.a.send("still by the second"));
  cables.settle();
  CHECK(cables.b.heard.size() == 2);
  cables.restore(0);
  const Instant restored = cables.now;
  REQUIRE(cables.run_until([&] { return carries(cables.a, 0) && carries(cables.b, 0); }, 20s));
  CHECK(cables.now - restored >= 3s);
  CHECK(cables.a.send("by the first"));
  cables.settle();
  CHECK(cables.b.heard.back() == "by the first");
  CHECK(cables.a.downs == 0);
}

TEST_CASE("a link that carries one way only is not used by either node") {
  for (const bool lower_is_mute : {true, false}) {
    Cables cables;
    cables.connect();
    cables.lose(lower_is_mute ? cables.a : cables.b, 0, 100);
    REQUIRE(cables.run_until([&] { return carries(cables.a, 1) && carries(cables.b, 1); }, 2s));
    cables.run(10s);
    CHECK(carries(cables.a, 1));
    CHECK(carries(cables.b, 1));
  }
}

TEST_CASE("a lossy first link -> the clean one is used, and stays so") {
  Cables cables;
  cables.connect();
  cables.lose(cables.a, 0, 40);
  REQUIRE(cables.run_until([&] { return carries(cables.a, 1); }, 10s));
  for (int second = 0; second < 60; ++second) {
    cables.run(1s);
    CHECK(carries(cables.a, 1));
  }
  // The way back loses nothing: what goes there keeps the first.
  CHECK(cables.a.link(0).delivered < LinkHealth::kWindow);
}

TEST_CASE("both links cut -> turn by turn, and whichever comes back first is used at once") {
  for (const std::size_t first_back : {0U, 1U}) {
    Cables cables;
    cables.connect();
    cables.cut(0);
    cables.cut(1);
    cables.run(30s);
    CHECK_FALSE(carries(cables.a, 0));
    CHECK_FALSE(carries(cables.a, 1));
    std::array<int, kLinks> sent{};
    for (std::size_t i = 0; i < kLinks; ++i) {
      cables.a.fates.at(i) = [&sent, i](ByteSpan) {
        ++sent.at(i);
        return 0;
      };
    }
    for (int i = 0; i < 10; ++i) CHECK(cables.a.send("into the void"));
    CHECK(sent.at(0) == 5);
    CHECK(sent.at(1) == 5);
    cables.restore(first_back);
    CHECK(
        cables.run_until([&] { return carries(cables.a, first_back) && carries(cables.b, first_back); }, 4s));
    CHECK(cables.a.send("here"));
    cables.settle();
    CHECK(cables.b.heard.back() == "here");
  }
}

TEST_CASE("a peer that was killed and started again is in within a second, over both links") {
  for (const bool insecure : {false, true}) {
    for (const bool lower : {true, false}) {
      Cables cables(insecure);
      cables.connect();
      Machine& restarted = lower ? cables.a : cables.b;
      Machine& other = lower ? cables.b : cables.a;
      const int before = other.ups;
      cables.start(restarted);
      CHECK(cables.run_until(
          [&] {
            return other.ups == before + 2 && restarted.link(0).condition == LinkCondition::sound &&
                   restarted.link(1).condition == LinkCondition::sound;
          },
          1s));
      cables.settle();
      CHECK(restarted.send("again"));
      CHECK(other.send("welcome"));
      cables.settle();
      CHECK(other.heard.back() == "again");
      CHECK(restarted.heard.back() == "welcome");
    }
  }
}

TEST_CASE("a goodbye goes over every link, and the last one that ends is told") {
  Cables cables;
  cables.connect();
  cables.a.links->close();
  cables.settle();
  CHECK_FALSE(cables.b.links->up());
  CHECK(cables.b.downs >= 1);
  CHECK_FALSE(cables.b.send("nobody there"));
  CHECK_FALSE(cables.a.links->next_deadline().has_value());
}

TEST_CASE("a link without a peer on it hinders nothing: a node that has it not configured yet") {
  Cables cables;
  cables.cut(1);
  cables.start(cables.a);
  cables.start(cables.b);
  CHECK(cables.run_until([&] { return carries(cables.a, 0) && carries(cables.b, 0); }, 1s));
  cables.run(30s);
  CHECK(cables.a.link(1).condition == LinkCondition::searching);
  CHECK(cables.a.send("x"));
  cables.settle();
  CHECK(cables.b.heard == std::vector<std::string>{"x"});
}

TEST_CASE("links that come and go at random -> a frame that is sent while one was whole for 4 s arrives") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Cables cables;
    cables.random.seed(seed);
    cables.connect();
    std::size_t expected = 0;
    for (int step = 0; step < 20; ++step) {
      const std::size_t whole = cables.random() % kLinks;
      cables.restore(whole);
      const std::size_t other = cables.random() % 3;
      if (other == 0) cables.cut(1 - whole);
      if (other == 1) cables.lose(cables.a, 1 - whole, 50);
      if (other == 2) cables.restore(1 - whole);
      cables.run(std::chrono::milliseconds(4000 + cables.random() % 1000));
      INFO("seed ", seed, " step ", step);
      if (other != 2) REQUIRE(carries(cables.a, whole));
      CHECK(cables.a.send("frame"));
      cables.settle();
      CHECK(cables.b.heard.size() == ++expected);
    }
    CHECK(cables.a.downs == 0);
  }
}

TEST_CASE("a keep-alive says what of the peer's has arrived, and nonsense in it changes nothing") {
  LinkHealth one;
  LinkHealth other;
  const Instant now{1h};
  one.begin(now);
  other.begin(now);
  for (int i = 0; i < 40; ++i) {
    REQUIRE(other.on_probe(now, one.next_probe()));
    REQUIRE(one.on_probe(now, other.next_probe()));
  }
  CHECK(one.delivered() == LinkHealth::kWindow);
  CHECK(one.sound(now));
  CHECK(one.sound(now + LinkHealth::kSilentAfter));
  CHECK_FALSE(one.sound(now + LinkHealth::kSilentAfter + 1ms));
  // Every second one is lost.
  for (int i = 0; i < 32; ++i) {
    const ByteVector probe = one.next_probe();
    if (i % 2 == 0) REQUIRE(other.on_probe(now, probe));
    REQUIRE(one.on_probe(now, other.next_probe()));
  }
  CHECK(one.delivered() >= 15);
  CHECK(one.delivered() <= 17);
  // Late and repeated ones.
  LinkHealth fresh;
  fresh.begin(now);
  const ByteVector first = fresh.next_probe();
  const ByteVector second = fresh.next_probe();
  LinkHealth peer;
  peer.begin(now);
  CHECK(peer.on_probe(now, second));
  CHECK(peer.on_probe(now, first));
  CHECK(peer.on_probe(now, first));
  CHECK(fresh.on_probe(now, peer.next_probe()));
  CHECK(fresh.delivered() == 2);
  // Too short, another version, a report of what was never sent.
  CHECK_FALSE(peer.on_probe(now, ByteVector{0xff, 1}));
  ByteVector future = fresh.next_probe();
  future[1] = 2;
  CHECK_FALSE(peer.on_probe(now, future));
  ByteVector lie = fresh.next_probe();
  lie[8] = 0x7f;
  CHECK_FALSE(peer.on_probe(now, lie));
  CHECK_FALSE(LinkHealth::is_probe(ByteVector{1}));
  CHECK_FALSE(LinkHealth::is_probe({}));
}

}  // namespace
}  // namespace ftfw::sync
