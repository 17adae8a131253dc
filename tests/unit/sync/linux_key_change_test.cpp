// A key that is changed while the pair replicates: which of two keys an association is under, that no step of
// the change leaves the nodes apart, and that two accepted keys let nobody in who has neither.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "sync/linux/association.hpp"
#include "sync/linux/dtls_context.hpp"
#include "tests/unit/sync/linux_wire.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

const ByteVector kOld(32, 7);
const ByteVector kNew(32, 9);
const ByteVector kForeign(32, 11);

void give(End& end, const ByteVector& key, const ByteVector& next = {}) {
  end.settings.key = key;
  end.settings.next_key = next;
}

// The newest association of an end.
AssociationUp last_up(const End& end) {
  AssociationUp last;
  for (const ChannelOutput& output : end.outputs) {
    if (const auto* up = std::get_if<AssociationUp>(&output)) last = *up;
  }
  return last;
}

TEST_CASE("one node accepts two keys, the other has one of them -> up at once, under the common one") {
  for (const bool lower_has_two : {true, false}) {
    for (const bool common_is_next : {true, false}) {
      // The node that begins is the client, which is the lower name only if both begin.
      for (const bool two_begins : {true, false}) {
        Wire wire;
        End& two = lower_has_two ? wire.a : wire.b;
        End& one = lower_has_two ? wire.b : wire.a;
        give(two, kOld, kNew);
        give(one, common_is_next ? kNew : kOld);
        wire.start(two_begins ? two : one);
        (two_begins ? one : two).inbox.clear();
        wire.start(two_begins ? one : two);
        CHECK(wire.run_until([&] { return wire.both_up(); }, 1s));
        CHECK(talks(wire));
        CHECK(last_up(two).next_key == common_is_next);
        CHECK_FALSE(last_up(one).next_key);
        CHECK(wire.a.failures().empty());
        CHECK(wire.b.failures().empty());
      }
    }
  }
}

TEST_CASE("both nodes accept two keys -> the first of the client's is used, also if they are crossed") {
  Wire wire;
  give(wire.a, kOld, kNew);
  give(wire.b, kOld, kNew);
  wire.connect();
  CHECK_FALSE(last_up(wire.a).next_key);
  CHECK_FALSE(last_up(wire.b).next_key);

  Wire crossed;
  give(crossed.a, kOld, kNew);
  give(crossed.b, kNew, kOld);
  crossed.connect();
  CHECK(talks(crossed));
  CHECK(last_up(crossed.a).next_key != last_up(crossed.b).next_key);
}

TEST_CASE("the three steps of a change, one node after the other -> in again within a second each time") {
  struct Keys {
    ByteVector key;
    ByteVector next;
  };
  const Keys before{kOld, {}};
  const Keys both{kOld, kNew};
  const Keys after{kNew, {}};
  for (const bool lower_first : {true, false}) {
    Wire wire;
    give(wire.a, before.key, before.next);
    give(wire.b, before.key, before.next);
    wire.connect();
    End& first = lower_first ? wire.a : wire.b;
    End& second = lower_first ? wire.b : wire.a;
    for (const Keys& step : {both, after}) {
      for (End* end : {&first, &second}) {
        End& other = end == &first ? second : first;
        const std::size_t associations = other.count<AssociationUp>();
        give(*end, step.key, step.next);
        wire.start(*end);
        CHECK(wire.run_until(
            [&] { return end->channel->up() && other.count<AssociationUp>() > associations; }, 1s));
        wire.settle();
        CHECK(talks(wire));
      }
    }
    // The old key is worth nothing any more.
    give(second, before.key);
    wire.start(second);
    CHECK_FALSE(wire.run_until([&] { return second.channel->up(); }, 10s));
  }
}

TEST_CASE("a third key beside two accepted ones -> no association, both sides say that the key differs") {
  for (const bool lower_has_two : {true, false}) {
    Wire wire;
    give(lower_has_two ? wire.a : wire.b, kOld, kNew);
    give(lower_has_two ? wire.b : wire.a, kForeign);
    wire.start_both();
    CHECK_FALSE(wire.run_until([&] { return wire.a.channel->up() || wire.b.channel->up(); }, 10s));
    REQUIRE_FALSE(wire.a.failures().empty());
    REQUIRE_FALSE(wire.b.failures().empty());
    CHECK(wire.a.failures().front() == HandshakeFailure::key_differs);
    CHECK(wire.b.failures().front() == HandshakeFailure::key_differs);
    CHECK(wire.a.channel->counters().other_key_refused + wire.b.channel->counters().other_key_refused > 0);
  }
}

TEST_CASE("a next key that is too short is refused at once") {
  ChannelSettings settings{.node = "fw-1", .peer = "fw-2", .key = kOld, .next_key = ByteVector(15, 1)};
  CHECK(make_channel_over(settings, nullptr).error().blame == Blame::configuration);
}

TEST_CASE("who knows name and fingerprint, as everybody on the link does, and not the key, gets nowhere") {
  auto server_context = DtlsContext::make("fw-2", "fw-1", kOld, kNew);
  auto client_context = DtlsContext::make("fw-1", "fw-2", kForeign);
  REQUIRE(server_context.has_value());
  REQUIRE(client_context.has_value());
  // The identity that was heard, with another key behind it.
  ::SSL_CTX_set_psk_client_callback((*client_context)->get(),
                                    [](SSL*, const char* hint, char* identity, unsigned capacity,
                                       unsigned char* key, unsigned) -> unsigned {
                                      const std::string_view told = hint;
                                      const std::string claim =
                                          "fw-1" + std::string(told.substr(told.find(' '), 17));
                                      REQUIRE(claim.size() < capacity);
                                      std::memcpy(identity, claim.c_str(), claim.size() + 1);
                                      std::ranges::copy(kForeign, key);
                                      return static_cast<unsigned>(kForeign.size());
                                    });
  auto client = Association::make(**client_context, Association::Role::client);
  auto server = Association::make(**server_context, Association::Role::server);
  REQUIRE(client.has_value());
  REQUIRE(server.has_value());
  const auto flight = [](Association& from) {
    auto datagrams = from.take_datagrams();
    REQUIRE(datagrams.size() == 1);
    return datagrams.front();
  };
  (*client)->advance();
  REQUIRE((*server)->listen(flight(**client)) == Association::Hello::cookie_sent);
  (*client)->feed(flight(**server));
  REQUIRE((*server)->listen(flight(**client)) == Association::Hello::accepted);
  (*server)->advance();
  (*client)->feed(flight(**server));
  (*server)->feed(flight(**client));
  CHECK((*server_context)->refusals().other_key == 0);
  CHECK((*server)->stage() != Association::Stage::established);
  CHECK((*client)->stage() != Association::Stage::established);
}

TEST_CASE("the keys themselves never stand on the wire") {
  Wire wire;
  ByteVector old_key;
  ByteVector new_key;
  for (std::uint8_t i = 0; i < 32; ++i) {
    old_key.push_back(static_cast<std::uint8_t>(i * 37 + 5));
    new_key.push_back(static_cast<std::uint8_t>(i * 91 + 3));
  }
  give(wire.a, old_key, new_key);
  give(wire.b, old_key, new_key);
  std::vector<ByteVector> seen;
  const auto record = [&seen](ByteSpan datagram) {
    seen.emplace_back(datagram.begin(), datagram.end());
    return 1;
  };
  wire.a.fate = record;
  wire.b.fate = record;
  wire.connect();
  CHECK(talks(wire));
  REQUIRE(seen.size() >= 6);
  constexpr std::ptrdiff_t kPiece = 8;
  for (const ByteVector& key : {old_key, new_key}) {
    for (auto at = key.begin(); key.end() - at >= kPiece; ++at) {
      for (const ByteVector& datagram : seen) {
        CHECK(std::search(datagram.begin(), datagram.end(), at, at + kPiece) == datagram.end());
      }
    }
  }
}

}  // namespace
}  // namespace ftfw::sync
