// Families, versions and destinations of the legs, and what is told about packets that no router sends.
#include "vrrp/engine.hpp"

#include <doctest/doctest.h>

#include "tests/unit/vrrp/engine_driver.hpp"
#include "vrrp/internet_checksum.hpp"
#include "vrrp/intervals.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// IPv4 on leg 0 and IPv6 on leg 1.
Settings both_families(std::uint8_t priority = 100) {
  Settings settings = two_legs(priority);
  settings.routers[1] = ipv6_router();
  return settings;
}

// Sums a changed version 3 PDU anew (message only), so that the change itself is what is judged.
ByteVector with_checksum(ByteVector pdu) {
  pdu[6] = pdu[7] = 0;
  const std::uint16_t sum = internet_checksum(pdu, 0);
  pdu[6] = static_cast<std::uint8_t>(sum >> 8);
  pdu[7] = static_cast<std::uint8_t>(sum);
  return pdu;
}

ByteVector changed(ByteVector pdu, std::size_t offset, std::uint8_t value) {
  pdu.at(offset) = value;
  return with_checksum(std::move(pdu));
}

struct BadPacket {
  const char* text;  // in the notice
  ByteVector pdu;
  std::uint8_t ttl = 255;
  const char* source = "192.168.2.2";
  const char* destination = "224.0.0.18";
};

// One packet of every class; leg 0 of one_leg() with 192.168.2.2 as the only allowed source.
std::vector<BadPacket> every_class(const Driver& node) {
  const ByteVector good =
      encode(node.advertisement(200), node.peer_address(0), node.destination(0), ChecksumForm::message_only);
  Advertisement two = node.advertisement(200);
  two.version = 2;
  const ByteVector good_2 = encode(two, node.peer_address(0), node.destination(0));
  ByteVector wrong_sum = good;
  wrong_sum[7] ^= 0xff;
  return {{"TTL is not 255", good, 64},
          {"wrong destination", good, 255, "192.168.2.2", "192.168.2.1"},
          {"source is not allowed", good, 255, "192.168.2.66"},
          {"shorter than the header", ByteVector(good.begin(), good.begin() + 7)},
          {"unknown version", changed(good, 0, 0x41)},
          {"not an advertisement", changed(good, 0, 0x32)},
          {"virtual router id 0", changed(good, 1, 0)},
          {"no address", changed(good, 3, 0)},
          {"shorter than its address count says", changed(good, 3, 2)},
          {"longer than its address count says", with_checksum([&] {
             ByteVector longer = good;
             longer.resize(longer.size() + 4);
             return longer;
           }())},
          {"interval 0", changed(changed(good, 4, 0), 5, 0)},
          {"wrong checksum", wrong_sum},
          {"unknown type of authentication", changed(good_2, 4, 2)}};
}

}  // namespace

TEST_CASE("each leg speaks its family to the family's group, and its version") {
  Driver node(version_2(both_families()));
  node.started().advance(5s);
  REQUIRE(node.state() == State::active);
  REQUIRE(node.sent.size() >= 2);
  CHECK(node.sent[0].router == 0);
  CHECK(node.sent[0].advertisement == node.advertisement(100, 0));
  CHECK(node.sent[0].advertisement.version == 2);
  CHECK(node.sent[0].destination == ip("224.0.0.18"));
  CHECK(node.sent[1].router == 1);
  CHECK(node.sent[1].advertisement == node.advertisement(100, 1));
  CHECK(node.sent[1].advertisement.version == 3);
  CHECK(node.sent[1].destination == ip("ff02::12"));
  CHECK(node.sent[1].checksum == ChecksumForm::pseudo_header);
}

TEST_CASE("each leg waits by the formula of its version; the group claims with the last") {
  Settings settings = version_2(both_families());
  settings.advertisement_interval = 4s;  // version 3: skew of 4 s, version 2: of 1 s
  Driver node(settings);
  node.started().advance(active_down_interval(3, 100, 4s, 3) - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

TEST_CASE("the multiplier of the configuration counts instead of 3") {
  Settings settings = two_legs();
  settings.missed_advertisements = 5;
  Driver node(settings);
  node.started().advance(5s + skew_time(3, 100, 1s) - 1ns);
  CHECK(node.state() == State::backup);
  node.advance(1ns);
  CHECK(node.state() == State::active);
}

TEST_CASE("a better advertisement on the IPv6 leg takes the IPv4 leg along, and a priority 0 there too") {
  Driver node(both_families());
  node.active().hear(200, 1);
  CHECK(node.state() == State::backup);
  node.hear(0, 1);
  node.advance(skew_time(3, 100, 1s));
  CHECK(node.state() == State::active);
}

TEST_CASE("an IPv6 leg without a link-local address is a leg lost") {
  Driver node(both_families());
  node.active();
  node.engine.on_link(node.now, 1, true, std::nullopt);
  node.drain();
  CHECK(node.state() == State::fault);
  CHECK(node.last_cause() == Cause{Cause::Kind::link_lost, 1});
}

TEST_CASE("equal priorities over IPv6 are decided by the link-local addresses") {
  Driver loser(ipv6_leg());  // fe80::1
  loser.active().hear(100);
  CHECK(loser.state() == State::backup);
  Driver winner(ipv6_leg(), 2);
  winner.active().hear(100);
  CHECK(winner.state() == State::active);
}

TEST_CASE("a unicast leg sends one packet to each peer, but none to itself, each with its own checksum") {
  Driver node(unicast_leg());
  node.started().advance(4s);
  REQUIRE(node.sent.size() == 2);
  CHECK(node.sent[0].destination == ip("192.168.2.2"));
  CHECK(node.sent[1].destination == ip("192.168.2.3"));
  for (const Sent& sent : node.sent) {
    CHECK(sent.advertisement == node.advertisement(100));
    CHECK(sent.checksum == ChecksumForm::pseudo_header);  // decoded with the destination that it was sent to
  }
  CHECK(node.engine.counters().routers[0].sent == 2);
}

TEST_CASE("a unicast pair elects, releases and takes over") {
  Pair pair(unicast_leg(150), unicast_leg(100));
  pair.start();
  pair.advance(10s);
  CHECK(pair.a.state() == State::active);
  CHECK(pair.b.state() == State::backup);
  pair.a.engine.release(pair.a.now);
  pair.a.drain();
  pair.advance(skew_time(3, 100, 1s));
  CHECK(pair.b.state() == State::active);
}

TEST_CASE("the form of the checksum is the configured one") {
  Settings settings = one_leg();
  settings.checksum = ChecksumForm::message_only;
  Driver node(settings);
  node.started().advance(4s);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].checksum == ChecksumForm::message_only);
}

TEST_CASE("every class of malformed packet is told once, by name and with its sender, and changes nothing") {
  Settings settings = one_leg();
  settings.routers[0].allowed_sources = {ip("192.168.2.2")};
  Driver node(settings);
  node.active();
  const std::vector<BadPacket> classes = every_class(node);
  for (int i = 0; i < 100; ++i) {
    for (const BadPacket& bad : classes) {
      node.engine.on_packet(node.now, 0, {ip(bad.source), ip(bad.destination), bad.ttl, bad.pdu});
      node.drain();
    }
    node.advance(1s);
  }
  CHECK(node.state() == State::active);
  const auto notices = node.outputs<Notice>();
  REQUIRE(notices.size() == classes.size());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    CAPTURE(classes[i].text);
    CHECK(notices[i].kind == NoticeKind::malformed);
    CHECK(notices[i].text.find(classes[i].text) != std::string::npos);
    CHECK(notices[i].text.find(classes[i].source) != std::string::npos);
    CHECK(notices[i].text.find("VI_1 (eth1)") != std::string::npos);
    const auto counters = named_counters(node.engine.counters().routers[0]);
    const auto counter =
        std::ranges::find(counters, classes[i].text, [](const auto& one) { return one.first; });
    REQUIRE(counter != counters.end());
    CHECK(counter->second == 100);
  }
}

TEST_CASE("a source beyond the link on an IPv6 leg is told too") {
  Driver node(ipv6_leg());
  node.active();
  node.receive(node.advertisement(200), 0, ip("2001:db8::2"));
  node.receive(node.advertisement(200), 0, ip("2001:db8::3"));
  CHECK(node.state() == State::active);
  REQUIRE(node.outputs<Notice>().size() == 1);
  CHECK(node.outputs<Notice>()[0].text.find("2001:db8::2") != std::string::npos);
}

TEST_CASE("a flood from ever other sources is one line, good packets between them do not begin it anew") {
  Driver node(one_leg());
  node.started();
  ByteVector bad = encode(node.advertisement(200), node.peer_address(0), node.destination(0));
  bad[6] ^= 0xff;
  for (int i = 0; i < 200; ++i) {
    node.receive_bytes(bad, 0, IpAddress::ipv4({10, 0, 0, static_cast<std::uint8_t>(i)}));
    node.hear(200);
    node.advance(1s);
  }
  CHECK(node.outputs<Notice>().size() == 1);
  node.hear_for(kNoticeQuiet + 1s, 200);
  node.receive_bytes(bad, 0, ip("10.0.0.1"));
  CHECK(node.outputs<Notice>().size() == 2);
}

TEST_CASE("mismatches of version, password and addresses are told once and name the other side") {
  Driver node(version_2(two_legs()));
  node.started();
  for (int i = 0; i < 50; ++i) {
    Advertisement advertisement = node.advertisement(200);
    advertisement.version = 3;
    node.receive(advertisement);
    advertisement = node.advertisement(200);
    advertisement.pass.reset();
    node.receive(advertisement);
    advertisement = node.advertisement(200);
    advertisement.addresses = {ip("10.0.0.1")};
    node.receive(advertisement);
    node.advance(1s);
  }
  CHECK(node.notices() == std::vector{NoticeKind::version_mismatch, NoticeKind::authentication_mismatch,
                                      NoticeKind::duplicate_id});
  for (const Notice& notice : node.outputs<Notice>()) {
    CHECK(notice.text.find("192.168.2.2") != std::string::npos);
    CHECK(notice.text.find("VI_1 (eth1)") != std::string::npos);
    CHECK(notice.text.find("papas") == std::string::npos);
  }
}
