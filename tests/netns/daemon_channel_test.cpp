// Somebody on the dedicated link in the name of the peer, beside the living peer: with another key, with
// none, with what was recorded earlier, and with a flood. Nothing gets in, replication goes on, the figures
// tell.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <poll.h>

#include <random>

#include "sync/linux/channel.hpp"
#include "tests/netns/daemon_live_pair.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

using Direction = ReplicationListener::Direction;

// The port of a second process: it has the peer's address and port, and hears what the peer hears.
class ForgedPort final : public sync::DatagramPort {
 public:
  explicit ForgedPort(Lab& lab) : listener_(lab), stranger_(lab) {}

  int fd() const override { return listener_.fd(); }
  Status send(ByteSpan datagram) override {
    stranger_.send(datagram);
    return {};
  }
  std::optional<ByteSpan> receive() override {
    auto heard = listener_.next(Direction::to_second);
    if (!heard) return std::nullopt;
    reading_ = std::move(*heard);
    return reading_;
  }
  std::uint64_t foreign() const override { return 0; }

 private:
  ReplicationListener listener_;
  ReplicationStranger stranger_;
  Bytes reading_;
};

// Runs a channel in fw-2's name until fw-1 has counted what it says, and longer than one attempt lasts.
void impersonate(LivePair& pair, sync::ChannelSettings settings, const char* counter) {
  settings.node = "fw-2";
  settings.peer = "fw-1";
  auto channel = sync::make_channel_over(std::move(settings), std::make_unique<ForgedPort>(pair.lab));
  REQUIRE_MESSAGE(channel.has_value(), channel.error().text);
  const std::uint64_t before = link_counter(pair.status(Node::fw_1), 0, counter);
  const Instant least = monotonic_now() + 4s;
  const Instant limit = monotonic_now() + 20s;
  bool counted = false;
  (*channel)->start(monotonic_now());
  while (monotonic_now() < least || (!counted && monotonic_now() < limit)) {
    pollfd wait{(*channel)->fd(), POLLIN, 0};
    ::poll(&wait, 1, 50);
    (*channel)->on_readable(monotonic_now());
    (*channel)->on_timer(monotonic_now());
    CHECK_FALSE((*channel)->up());
    if (!counted) counted = link_counter(pair.status(Node::fw_1), 0, counter) > before;
  }
  CHECK(counted);
}

}  // namespace

TEST_CASE(
    "a second process in the peer's name with another key -> refused and counted, nothing is disturbed") {
  LivePair pair;
  impersonate(pair, {.key = Bytes(32, 0x5a)}, "other key");
  CHECK(pair.has_alarm(Node::fw_1, "key differs"));
  CHECK(pair.status(Node::fw_1)["peers"][0]["alive"] == true);
  pair.check_unimpressed();
}

TEST_CASE("a second process in the peer's name without any key -> counted, nothing is disturbed") {
  LivePair pair;
  impersonate(pair, {.insecure = true}, "malformed");
  pair.check_unimpressed();
}

TEST_CASE("everything the peer sent since before its start, sent again three times -> no effect, counted") {
  LivePair pair;
  ReplicationListener listener(pair.lab);
  CHECK(pair.fw_2.terminate(kStop) == 0);
  pair.fw_2.start();
  REQUIRE(pair.wait_status(
      Node::fw_2, [](const Json& now) { return now["replication"].value("in_sync", false); }, 30s));
  REQUIRE(wait_equal(pair.lab, 5, 30s) == "");
  std::vector<Bytes> recorded;
  // The handshake, the beginning of the session, its acknowledgements.
  REQUIRE(wait_until(10s, [&] {
    while (auto datagram = listener.next(Direction::from_second)) recorded.push_back(std::move(*datagram));
    return recorded.size() >= 50;
  }));
  const Json before = pair.status(Node::fw_1);
  ReplicationStranger stranger(pair.lab);
  for (int round = 0; round < 3; ++round) {
    for (const Bytes& datagram : recorded) stranger.send(datagram);
  }
  const auto refused = [](const Json& status) {
    return link_counter(status, 0, "not authentic") + link_counter(status, 0, "unexpected");
  };
  const bool counted = pair.wait_status(
      Node::fw_1, [&](const Json& now) { return refused(now) >= refused(before) + 2 * recorded.size(); },
      kPublished);
  CAPTURE(recorded.size());
  CAPTURE(pair.status(Node::fw_1)["replication"].dump());
  CHECK(counted);
  CHECK(pair.status(Node::fw_1)["peers"][0]["alive"] == true);
  pair.check_unimpressed();
}

TEST_CASE("200,000 datagrams of garbage as fast as they go -> dropped and counted, replication goes on") {
  LivePair pair;
  const Json before = pair.status(Node::fw_1);
  std::mt19937 random(4711);
  std::vector<Bytes> garbage;
  for (std::size_t i = 0; i < 256; ++i) {
    Bytes bytes(14 + random() % 400);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    // A third looks like sealed records, a third like handshakes, until somebody looks closer.
    if (i % 3 != 0) {
      const std::uint8_t head[] = {static_cast<std::uint8_t>(i % 3 == 1 ? 23 : 22), 0xfe, 0xfd, 0,
                                   static_cast<std::uint8_t>(i % 3 == 1 ? 1 : 0)};
      std::copy(std::begin(head), std::end(head), bytes.begin());
      bytes[11] = static_cast<std::uint8_t>((bytes.size() - 13) >> 8);
      bytes[12] = static_cast<std::uint8_t>(bytes.size() - 13);
    }
    garbage.push_back(std::move(bytes));
  }
  ReplicationStranger stranger(pair.lab);
  const Instant begin = monotonic_now();
  const std::uint64_t sent = stranger.flood(garbage, 200'000);
  const double seconds = in_milliseconds(monotonic_now() - begin) / 1000;
  MESSAGE(fmt::format("{} datagrams of garbage in {:.2f} s, {:.0f} a second", sent, seconds,
                      static_cast<double>(sent) / seconds));
  const auto dropped = [](const Json& status) {
    return link_counter(status, 0, "malformed") + link_counter(status, 0, "not authentic") +
           link_counter(status, 0, "unexpected");
  };
  // The socket's buffer may have been full for a part of them.
  CHECK(pair.wait_status(
      Node::fw_1, [&](const Json& now) { return dropped(now) > dropped(before) + 10'000; }, kPublished));
  CHECK(pair.status(Node::fw_1)["peers"][0]["alive"] == true);
  pair.check_unimpressed();
}
