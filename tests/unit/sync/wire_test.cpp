#include "sync/wire.hpp"

#include <doctest/doctest.h>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

wire::Header header() {
  return {.instance = 1, .peer_instance = 2, .sequence = 3, .acknowledged = 4, .epoch = 5};
}

ByteVector frame_of(const wire::Message& message) {
  ByteVector body;
  wire::encode(message, body);
  CHECK(body.size() <= wire::kMaxMessageBytes);
  return wire::encode_frame(header(), body);
}

void check_round_trip(const wire::Message& message) {
  const auto frame = wire::decode_frame(frame_of(message));
  REQUIRE(frame.has_value());
  REQUIRE(frame->messages.size() == 1);
  CHECK((frame->messages[0] == message));
  CHECK(frame->header == header());
}

ConntrackEntry everything() {
  ConntrackEntry entry = tcp_flow();
  entry.key.zone = 9;
  entry.reply_zone = 0;
  entry.mark = 0xdeadbeef;
  entry.sequence_adjustment = {SequenceAdjustment{1, 2, 3}, SequenceAdjustment{4, 5, 6}};
  entry.synproxy = Synproxy{7, 8, 9};
  entry.labels = ByteVector(wire::kMaxLabelBytes, 0xab);
  entry.helper = std::string(wire::kMaxHelperName, 'h');
  entry.master = tuple(IPPROTO_TCP, "2001:db8::1", 1, "2001:db8::2", 21);
  return entry;
}

}  // namespace

TEST_CASE("every message comes back as it was") {
  check_round_trip(wire::Hello{.challenge = 1, .echo = 2, .features = 3, .node = "fw-1"});
  check_round_trip(wire::State{
      .number = 1,
      .role = Role::source,
      .in_sync = true,
      .source_epoch = 7,
      .group = {.role = GroupRole::primary, .priority = 100, .legs_up = true, .primary_epoch = 7}});
  check_round_trip(wire::Entry{.entry = tcp_flow()});
  check_round_trip(wire::Entry{.entry = udp_flow(), .only_if_absent = true});
  check_round_trip(wire::Entry{.entry = everything()});
  check_round_trip(wire::Destroyed{.key = {.original = tcp_flow().key.original, .zone = 3}});
  check_round_trip(wire::Expected{expectation_of(tcp_flow())});
  check_round_trip(wire::ExpectedDestroyed{expectation_of(tcp_flow()).key});
  check_round_trip(wire::State{.number = 2, .table = {.empty = true, .refused = {.helpers = true}}});
  check_round_trip(wire::Begin{.send = 4});
  check_round_trip(wire::Begin{.send = 4, .compare = 3});
  check_round_trip(wire::End{4});
  check_round_trip(wire::FullSendRequest{.restart = true});
  check_round_trip(
      wire::CompareBegin{.compare = 1, .salt = 2, .left_out = {.labels = true}, .hurried = true});
  check_round_trip(wire::CompareReady{1});
  const std::vector<std::uint32_t> values(wire::kValuesInMessage, 0xdeadbeef);
  check_round_trip(wire::Digests{.compare = 1, .bits = 20, .first = 5, .values = values});
  check_round_trip(wire::RangesWanted{.compare = 1, .ranges = values});
  check_round_trip(wire::RangesWanted{.compare = 1, .last = true, .all = true});
  check_round_trip(wire::State{.number = 3,
                               .group = {.ready = true,
                                         .maintenance = true,
                                         .configuration_hash = 0x0123456789abcdef,
                                         .ruleset_hash = 0xfedcba9876543210,
                                         .version = std::string(kMaxVersion, 'v')},
                               .uptime_s = 77});
  for (const auto kind : {GroupMessage::Kind::release, GroupMessage::Kind::request, GroupMessage::Kind::ready,
                          GroupMessage::Kind::go, GroupMessage::Kind::abort}) {
    check_round_trip(GroupMessage{.kind = kind, .epoch = 5, .attempt = 6});
  }
}

TEST_CASE("a state as older programs send it is a state of a node that is not ready") {
  ByteVector body;
  wire::encode(wire::State{.number = 1, .group = {.priority = 9, .ready = true, .version = "1"}}, body);
  constexpr std::size_t kTail = 1 + 8 + 8 + 4 + 1 + 1;
  body.resize(body.size() - kTail);
  body[3] = static_cast<std::uint8_t>(body.size() - 4);
  const auto frame = wire::decode_frame(wire::encode_frame(header(), body));
  REQUIRE(frame.has_value());
  CHECK((frame->messages.at(0) == wire::Message{wire::State{.number = 1, .group = {.priority = 9}}}));
}

TEST_CASE("a group message of an unknown kind is skipped, one that is cut refuses its frame") {
  ByteVector body;
  wire::encode(GroupMessage{.kind = GroupMessage::Kind::go, .epoch = 1, .attempt = 2}, body);
  for (const std::uint8_t kind : {std::uint8_t{0}, std::uint8_t{6}, std::uint8_t{255}}) {
    body[4] = kind;
    const auto frame = wire::decode_frame(wire::encode_frame(header(), body));
    REQUIRE(frame.has_value());
    CHECK(frame->messages.empty());
  }
  body.pop_back();
  body[3] = static_cast<std::uint8_t>(body.size() - 4);
  CHECK_FALSE(wire::decode_frame(wire::encode_frame(header(), body)).has_value());
}

TEST_CASE("SCTP and DCCP states travel with their own protocol only") {
  ConntrackEntry sctp = udp_flow();
  sctp.key.original.protocol = IPPROTO_SCTP;
  sctp.reply = sctp.key.original.inverse();
  sctp.sctp = SctpInfo{.state = 4, .tag_original = 1, .tag_reply = 2};
  check_round_trip(wire::Entry{.entry = sctp});
  ConntrackEntry dccp = udp_flow();
  dccp.key.original.protocol = IPPROTO_DCCP;
  dccp.reply = dccp.key.original.inverse();
  dccp.dccp = DccpInfo{.state = 4, .role = 1, .handshake_sequence = 2};
  check_round_trip(wire::Entry{.entry = dccp});
  ConntrackEntry wrong = udp_flow();
  wrong.tcp = TcpInfo{};
  CHECK_FALSE(wire::decode_frame(frame_of(wire::Entry{.entry = wrong})).has_value());
}

TEST_CASE("a TCP flow with source NAT takes 43 bytes, half of what conntrackd sends") {
  ConntrackEntry entry = tcp_flow();
  entry.timeout_s.reset();
  ByteVector body;
  wire::encode(wire::Entry{.entry = entry}, body);
  CHECK(body.size() == 43);
}

TEST_CASE("a destroyed entry, byte by byte") {
  ByteVector body;
  wire::encode(wire::Destroyed{.key = {.original = tuple(IPPROTO_TCP, "192.0.2.1", 0x1234, "192.0.2.2", 80),
                                       .zone = 1}},
               body);
  CHECK(body == ByteVector{4, 0, 0, 16, 4, 6, 192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0, 80, 0, 1});
}

TEST_CASE("a frame cut anywhere is refused or holds fewer messages, never more") {
  ByteVector body;
  wire::encode(wire::Entry{.entry = everything()}, body);
  const ByteVector whole = wire::encode_frame(header(), body);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const ByteVector part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const auto frame = wire::decode_frame(part);
    CHECK((!frame.has_value() || frame->messages.empty()));
  }
}

TEST_CASE("an unknown message is skipped, and unknown fields at the end of a known one") {
  ByteVector body{200, 0, 0, 3, 1, 2, 3};
  wire::encode(wire::Begin{.send = 7}, body);
  ByteVector longer{7, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 8, 0xff, 0xff};
  body.insert(body.end(), longer.begin(), longer.end());
  const auto frame = wire::decode_frame(wire::encode_frame(header(), body));
  REQUIRE(frame.has_value());
  CHECK(frame->unknown_messages == 1);
  REQUIRE(frame->messages.size() == 2);
  CHECK((frame->messages[1] == wire::Message{wire::Begin{.send = 8}}));
}

TEST_CASE("frames that cannot be are refused") {
  CHECK_FALSE(wire::decode_frame(ByteVector(wire::kMaxFrameBytes + 1)).has_value());
  ByteVector other_version = frame_of(wire::Begin{.send = 1});
  other_version[0] = 2;
  CHECK_FALSE(wire::decode_frame(other_version).has_value());
  ByteVector many_words = frame_of(wire::Begin{.send = 1});
  many_words[1] = 5;
  CHECK_FALSE(wire::decode_frame(many_words).has_value());
  CHECK_FALSE(wire::decode_frame(wire::encode_frame({.instance = 0}, {})).has_value());
  CHECK_FALSE(
      wire::decode_frame(frame_of(wire::Digests{.compare = 1, .bits = 21, .values = {1}})).has_value());
  CHECK_FALSE(wire::decode_frame(frame_of(wire::Digests{.compare = 1, .bits = 1, .first = 2, .values = {1}}))
                  .has_value());
  CHECK_FALSE(wire::decode_frame(frame_of(wire::Digests{.compare = 1, .bits = 1})).has_value());
  wire::Hello backwards{.version_min = 2, .version_max = 1, .node = "x"};
  CHECK_FALSE(wire::decode_frame(frame_of(backwards)).has_value());
  ConntrackEntry scale = tcp_flow();
  scale.tcp->window_scale_reply = 15;
  CHECK_FALSE(wire::decode_frame(frame_of(wire::Entry{.entry = scale})).has_value());
}

TEST_CASE(
    "a state without what older versions do not send is taken as that of a table with something in it") {
  ByteVector body;
  wire::encode(wire::State{.number = 1, .table = {.empty = true}}, body);
  constexpr std::size_t kTail = 1 + 1 + 8 + 8 + 4 + 1;
  body.resize(body.size() - kTail);
  body[3] = static_cast<std::uint8_t>(body.size() - 4);
  const auto frame = wire::decode_frame(wire::encode_frame(header(), body));
  REQUIRE(frame.has_value());
  CHECK_FALSE(std::get<wire::State>(frame->messages.at(0)).table.empty);
}

TEST_CASE("digests, byte by byte; values that are not all there are refused") {
  ByteVector body;
  wire::encode(wire::Digests{.compare = 7, .bits = 2, .first = 1, .values = {0xa1a2a3a4, 5}}, body);
  CHECK(body == ByteVector{12, 0, 0, 23, 0, 0,    0,    0,    0,    0, 0, 7, 2, 0,
                           0,  0, 1, 0,  2, 0xa1, 0xa2, 0xa3, 0xa4, 0, 0, 0, 5});
  body.pop_back();
  --body[3];
  CHECK_FALSE(wire::decode_frame(wire::encode_frame(header(), body)).has_value());
}
