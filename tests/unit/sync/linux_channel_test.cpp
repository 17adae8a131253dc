// Two channels over a wire in memory: handshakes under loss, crossing, restart, and everything a stranger can
// send.
#include <doctest/doctest.h>

#include <cerrno>
#include <random>

#include "sync/linux/dtls_channel.hpp"
#include "tests/unit/sync/linux_wire.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

bool is_hello(ByteSpan datagram) {
  const auto record = first_record(datagram);
  return record && !record->sealed && record->message == HandshakeType::client_hello;
}

bool is_sealed(ByteSpan datagram) {
  const auto record = first_record(datagram);
  return record && record->sealed;
}

TEST_CASE("two nodes that start together get one association each and talk both ways") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    CHECK(wire.a.count<AssociationUp>() == 1);
    CHECK(wire.b.count<AssociationUp>() == 1);
    CHECK(wire.a.count<AssociationDown>() == 0);
    CHECK(talks(wire));
    CHECK_FALSE(wire.a.channel->next_deadline().has_value());
    CHECK_FALSE(wire.b.channel->next_deadline().has_value());
  }
}

TEST_CASE("the cipher is ECDHE-PSK-CHACHA20-POLY1305 and the lower name is client on a crossing") {
  Wire wire;
  wire.connect();
  const auto& up_a = std::get<AssociationUp>(wire.a.outputs.front());
  const auto& up_b = std::get<AssociationUp>(wire.b.outputs.front());
  CHECK(up_a.cipher == "ECDHE-PSK-CHACHA20-POLY1305");
  CHECK(up_a.started_here);
  CHECK_FALSE(up_b.started_here);
  CHECK(wire.a.channel->counters().crossings >= 1);
}

TEST_CASE("a node that starts later, lower or higher, gets in at once") {
  for (const bool lower_first : {true, false}) {
    Wire wire;
    End& first = lower_first ? wire.a : wire.b;
    End& second = lower_first ? wire.b : wire.a;
    wire.start(first);
    wire.run_until([] { return false; }, 10s);
    // Nobody read what came before the start.
    second.inbox.clear();
    const Instant before = wire.now;
    wire.start(second);
    CHECK(wire.run_until([&] { return wire.both_up(); }, 1s));
    CHECK(wire.now - before < 1s);
    CHECK(talks(wire));
    CHECK(first.failures().front() == HandshakeFailure::no_answer);
  }
}

TEST_CASE("frames up to the largest payload go as one datagram, a longer one is refused") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    std::size_t datagrams = 0;
    std::size_t longest = 0;
    wire.a.fate = [&](ByteSpan datagram) {
      ++datagrams;
      longest = std::max(longest, datagram.size());
      return 1;
    };
    CHECK(wire.a.send(std::string(Channel::kMaxPayload, 'x')).has_value());
    wire.settle();
    CHECK(datagrams == 1);
    CHECK(longest <= 1372);
    CHECK(wire.b.texts().back().size() == Channel::kMaxPayload);
    CHECK(wire.a.send(std::string(Channel::kMaxPayload + 1, 'x')).error().code == EMSGSIZE);
  }
}

TEST_CASE("without an association nothing is sent") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.start(wire.a);
    CHECK(wire.a.send("x").error().code == ENOTCONN);
  }
}

TEST_CASE("another key gets no association, and the failure says so") {
  Wire wire(false, ByteVector(32, 8));
  wire.start_both();
  CHECK_FALSE(wire.run_until([&] { return wire.a.channel->up() || wire.b.channel->up(); }, 10s));
  REQUIRE_FALSE(wire.a.failures().empty());
  CHECK(wire.a.failures().front() == HandshakeFailure::key_differs);
  CHECK(wire.b.failures().front() == HandshakeFailure::key_differs);
}

TEST_CASE("a key that is too short or too long, and one name for both nodes, are refused at once") {
  for (const std::size_t size : {0U, 15U, 257U}) {
    ChannelSettings settings{.node = "fw-1", .peer = "fw-2", .key = ByteVector(size, 1)};
    CHECK(make_channel_over(settings, nullptr).error().blame == Blame::configuration);
  }
  ChannelSettings same{.node = "fw-1", .peer = "fw-1", .key = ByteVector(32, 1)};
  CHECK(make_channel_over(same, nullptr).error().blame == Blame::configuration);
}

TEST_CASE("a peer without any key, or in clear, gets no association") {
  Wire wire;
  wire.b.settings.insecure = true;
  wire.start_both();
  CHECK_FALSE(wire.run_until([&] { return wire.a.channel->up() || wire.b.channel->up(); }, 10s));
  CHECK(wire.a.channel->counters().malformed > 0);
  CHECK(wire.b.channel->counters().malformed > 0);
}

TEST_CASE("own datagrams that come back (reflection) are refused by name") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.b.settings.node = "fw-1";
    wire.b.settings.peer = "fw-0";
    wire.a.settings.node = "fw-1";
    wire.start_both();
    CHECK_FALSE(wire.run_until([&] { return wire.a.channel->up() || wire.b.channel->up(); }, 10s));
    const ChannelCounters a = wire.a.channel->counters();
    const ChannelCounters b = wire.b.channel->counters();
    CHECK(a.own_name_refused + b.own_name_refused > 0);
  }
}

TEST_CASE("a name that is not the peer's is refused, with the right key") {
  Wire wire;
  wire.b.settings.node = "fw-3";
  wire.start_both();
  CHECK_FALSE(wire.run_until([&] { return wire.a.channel->up() || wire.b.channel->up(); }, 10s));
  CHECK(wire.a.channel->counters().other_name_refused > 0);
}

TEST_CASE("a replayed datagram is not handed out twice") {
  Wire wire;
  wire.connect();
  wire.a.fate = [](ByteSpan) { return 2; };
  REQUIRE(wire.a.send("once").has_value());
  wire.settle();
  CHECK(wire.b.texts() == std::vector<std::string>{"once"});
  CHECK(wire.b.channel->counters().not_accepted == 1);
}

TEST_CASE("a datagram changed in any byte is not handed out") {
  Wire wire;
  wire.connect();
  ByteVector good;
  wire.a.fate = [&](ByteSpan datagram) {
    good.assign(datagram.begin(), datagram.end());
    return 0;
  };
  REQUIRE(wire.a.send("genuine").has_value());
  for (std::size_t i = 0; i < good.size(); ++i) {
    ByteVector bad = good;
    bad[i] ^= 0x01;
    wire.b.inbox.push_back(bad);
  }
  wire.settle();
  CHECK(wire.b.texts().empty());
  CHECK(wire.b.channel->up());
  wire.b.inbox.push_back(good);
  wire.settle();
  CHECK(wire.b.texts() == std::vector<std::string>{"genuine"});
}

TEST_CASE("garbage of every length is counted and changes nothing") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    std::mt19937 random(4711);
    for (std::size_t i = 0; i < 2000; ++i) {
      ByteVector bytes(random() % 200);
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      // Half of it looks like a record at first sight.
      if (i % 2 == 0 && bytes.size() > 13) {
        bytes[0] = static_cast<std::uint8_t>(20 + random() % 4);
        bytes[1] = 0xfe;
        bytes[2] = 0xfd;
        bytes[3] = 0;
        bytes[4] = static_cast<std::uint8_t>(random() % 3);
        bytes[11] = 0;
        bytes[12] = static_cast<std::uint8_t>(bytes.size() - 13);
      }
      wire.b.inbox.push_back(std::move(bytes));
    }
    wire.settle();
    const ChannelCounters counters = wire.b.channel->counters();
    CHECK(counters.malformed > 900);
    CHECK(wire.b.outputs.size() == 1);
    CHECK(talks(wire));
  }
}

TEST_CASE("a flood of forged hellos changes nothing and is answered only so often") {
  Wire wire;
  ByteVector hello;
  wire.a.fate = [&](ByteSpan datagram) {
    if (hello.empty() && is_hello(datagram)) hello.assign(datagram.begin(), datagram.end());
    return 1;
  };
  wire.connect();
  REQUIRE_FALSE(hello.empty());
  std::size_t answers = 0;
  wire.b.fate = [&](ByteSpan datagram) {
    if (!is_sealed(datagram)) ++answers;
    return is_sealed(datagram) ? 1 : 0;
  };
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    ByteVector forged = hello;
    for (std::size_t at = 27; at < 59; ++at) forged[at] = static_cast<std::uint8_t>(random());
    wire.b.inbox.push_back(std::move(forged));
  }
  wire.settle();
  CHECK(answers <= DtlsChannel::kCookiesPerSecond);
  CHECK(wire.b.channel->counters().hellos_limited > 18'000);
  CHECK(wire.b.outputs.size() == 1);
  CHECK(talks(wire));
}

TEST_CASE(
    "replayed hellos with a valid cookie end nothing: the association stays until another is finished") {
  Wire wire;
  std::vector<ByteVector> hellos;
  wire.a.fate = [&](ByteSpan datagram) {
    if (is_hello(datagram)) hellos.emplace_back(datagram.begin(), datagram.end());
    return 1;
  };
  wire.connect();
  REQUIRE(hellos.size() >= 2);
  wire.a.fate = nullptr;
  for (int i = 0; i < 100; ++i) {
    ByteVector replay = hellos.back();
    replay[30] = static_cast<std::uint8_t>(i);
    wire.b.inbox.push_back(std::move(replay));
  }
  wire.settle();
  CHECK(talks(wire));
  wire.run_until([] { return false; }, 5s);
  CHECK(talks(wire));
  CHECK(wire.b.count<AssociationDown>() == 0);
  CHECK(wire.b.channel->counters().hellos_limited >= 80);
}

TEST_CASE("a peer that was killed and started again is in within a second, lower or higher") {
  for (const bool insecure : {false, true}) {
    for (const bool lower : {true, false}) {
      Wire wire(insecure);
      wire.connect();
      End& restarted = lower ? wire.a : wire.b;
      End& other = lower ? wire.b : wire.a;
      wire.now += 10s;
      const Instant before = wire.now;
      wire.start(restarted);
      CHECK(wire.run_until([&] { return restarted.channel->up() && other.count<AssociationUp>() == 2; }, 1s));
      wire.settle();
      CHECK(wire.now - before < 1s);
      CHECK(talks(wire));
      CHECK(other.count<AssociationDown>() == 1);
    }
  }
}

TEST_CASE("a restarted peer and a node that calls it lost at the same moment end in one association") {
  for (const bool insecure : {false, true}) {
    for (const bool lower : {true, false}) {
      Wire wire(insecure);
      wire.connect();
      End& restarted = lower ? wire.a : wire.b;
      End& other = lower ? wire.b : wire.a;
      wire.now += 10s;
      other.channel->lost(wire.now);
      wire.start(restarted);
      CHECK(wire.run_until([&] { return restarted.channel->up() && other.count<AssociationUp>() >= 2; }, 1s));
      wire.settle();
      CHECK(talks(wire));
    }
  }
}

TEST_CASE(
    "both nodes call each other lost after a cut, and the association is replaced once the link is back") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    const auto cut = [](ByteSpan) { return 0; };
    wire.a.fate = cut;
    wire.b.fate = cut;
    wire.a.channel->lost(wire.now);
    wire.b.channel->lost(wire.now);
    wire.run_until([] { return false; }, 60s);
    CHECK(wire.both_up());
    CHECK(wire.a.count<AssociationDown>() == 0);
    wire.a.fate = nullptr;
    wire.b.fate = nullptr;
    CHECK(wire.run_until(
        [&] { return wire.a.count<AssociationUp>() == 2 && wire.b.count<AssociationUp>() == 2; }, 4s));
    CHECK(wire.run_until([&] { return talks(wire); }, 1s));
  }
}

TEST_CASE("lost() while the link works replaces the association and loses nothing afterwards") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    wire.b.channel->lost(wire.now);
    CHECK(wire.b.channel->up());
    CHECK(wire.run_until(
        [&] { return wire.a.count<AssociationUp>() == 2 && wire.b.count<AssociationUp>() == 2; }, 1s));
    CHECK(talks(wire));
  }
}

TEST_CASE("a goodbye ends the peer's association at once, and it looks for a new one") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    wire.a.channel->close();
    wire.settle();
    CHECK_FALSE(wire.a.channel->up());
    CHECK_FALSE(wire.b.channel->up());
    CHECK(std::get<AssociationDown>(wire.b.outputs.back()).reason == DownReason::closed);
    CHECK_FALSE(wire.a.channel->next_deadline().has_value());
    wire.start(wire.a);
    CHECK(wire.run_until([&] { return wire.both_up(); }, 1s));
    CHECK(talks(wire));
  }
}

TEST_CASE("with 30 % of all datagrams lost, repeated or late, every handshake ends") {
  std::uint64_t slowest_ms = 0;
  for (unsigned seed = 1; seed <= 200; ++seed) {
    Wire wire;
    std::mt19937 random(seed);
    const auto fate = [&random](ByteSpan) { return random() % 10 < 3 ? 0 : random() % 10 < 2 ? 2 : 1; };
    wire.a.fate = fate;
    wire.b.fate = fate;
    const Instant before = wire.now;
    wire.start_both();
    INFO("seed ", seed);
    REQUIRE(wire.run_until([&] { return wire.both_up(); }, 30s));
    slowest_ms = std::max(slowest_ms, static_cast<std::uint64_t>(in_milliseconds(wire.now - before)));
    wire.a.fate = nullptr;
    wire.b.fate = nullptr;
    REQUIRE(wire.run_until([&] { return talks(wire); }, 5s));
  }
  MESSAGE("slowest of 200 handshakes with 30 % loss: ", slowest_ms, " ms");
}

TEST_CASE("restarts under loss, in any order, end in a pair that talks") {
  for (const bool insecure : {false, true}) {
    for (unsigned seed = 1; seed <= 50; ++seed) {
      Wire wire(insecure);
      std::mt19937 random(seed);
      wire.start_both();
      const auto fate = [&random](ByteSpan) { return random() % 10 < 3 ? 0 : 1; };
      wire.a.fate = fate;
      wire.b.fate = fate;
      for (int step = 0; step < 10; ++step) {
        wire.run_until([] { return false; }, std::chrono::milliseconds(random() % 2000));
        End& end = random() % 2 == 0 ? wire.a : wire.b;
        if (random() % 2 == 0) {
          wire.start(end);
        } else {
          end.channel->lost(wire.now);
        }
      }
      wire.a.fate = nullptr;
      wire.b.fate = nullptr;
      INFO("seed ", seed);
      // What a session does: after a second of silence the peer is called lost.
      bool talking = false;
      for (int second = 0; second < 20 && !talking; ++second) {
        wire.run_until([] { return false; }, 1s);
        talking = wire.both_up() && talks(wire);
        if (talking) break;
        wire.a.channel->lost(wire.now);
        wire.b.channel->lost(wire.now);
      }
      CHECK(talking);
    }
  }
}

TEST_CASE("DHE-PSK-AES256-GCM-SHA384 works where ChaCha20 is not offered, each flight in one datagram") {
  // The offer of a peer that allows only AES: its hello without the other suite.
  auto context = DtlsContext::make("fw-1", "fw-2", ByteVector(32, 7));
  REQUIRE(context.has_value());
  REQUIRE(::SSL_CTX_set_cipher_list((*context)->get(), "DHE-PSK-AES256-GCM-SHA384") == 1);
  auto server_context = DtlsContext::make("fw-2", "fw-1", ByteVector(32, 7));
  REQUIRE(server_context.has_value());
  auto client = Association::make(**context, Association::Role::client);
  auto server = Association::make(**server_context, Association::Role::server);
  REQUIRE(client.has_value());
  REQUIRE(server.has_value());
  const auto only = [](Association& from) {
    auto datagrams = from.take_datagrams();
    REQUIRE(datagrams.size() == 1);
    CHECK(datagrams.front().size() <= 1372);
    return datagrams.front();
  };
  (*client)->advance();
  CHECK((*server)->listen(only(**client)) == Association::Hello::cookie_sent);
  (*client)->feed(only(**server));
  CHECK((*server)->listen(only(**client)) == Association::Hello::accepted);
  (*server)->advance();
  (*client)->feed(only(**server));
  (*server)->feed(only(**client));
  (*client)->feed(only(**server));
  CHECK((*client)->stage() == Association::Stage::established);
  CHECK((*client)->cipher() == "DHE-PSK-AES256-GCM-SHA384");
}

TEST_CASE("late datagrams of the association before are not handed out") {
  for (const bool insecure : {false, true}) {
    Wire wire(insecure);
    wire.connect();
    ByteVector late;
    wire.a.fate = [&](ByteSpan datagram) {
      late.assign(datagram.begin(), datagram.end());
      return 0;
    };
    REQUIRE(wire.a.send("old").has_value());
    wire.a.fate = nullptr;
    wire.a.channel->lost(wire.now);
    REQUIRE(wire.run_until([&] { return wire.b.count<AssociationUp>() == 2; }, 1s));
    wire.settle();
    wire.b.inbox.push_back(late);
    wire.settle();
    CHECK(wire.b.texts().empty());
    CHECK(wire.b.channel->counters().not_accepted >= 1);
    CHECK(talks(wire));
  }
}

}  // namespace
}  // namespace ftfw::sync
