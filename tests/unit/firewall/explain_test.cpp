// Packets in words, and answers in words.
#include "firewall/explain.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "config/load.hpp"
#include "firewall/packet_text.hpp"
#include "firewall/policy.hpp"
#include "firewall/presumed.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

TextProblem problem_of(std::string_view text) {
  const auto packet = parse_packet(text);
  REQUIRE_FALSE(packet);
  return packet.error();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string reference() {
  return test::read_file(std::string(CONFIG_EXAMPLES_DIR) + "/reference.toml");
}

std::ptrdiff_t line_of(std::string_view text) {
  const std::string source = reference();
  return 1 +
         std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(source.find(text)), '\n');
}

Result<std::string> ask_reference(std::string_view text, Role role = Role::primary) {
  const std::string source = reference();
  const config::Loaded loaded = config::load(source);
  REQUIRE(loaded.config);
  const Ruleset ruleset = build_ruleset(*loaded.config, {});
  const Guard guard = build_guard(*loaded.config);
  return explain({.config = *loaded.config,
                  .ruleset = ruleset,
                  .guard = guard,
                  .file = "reference.toml",
                  .source = source},
                 presumed_surroundings(*loaded.config), text, role);
}

std::string explain_reference(std::string_view text, Role role = Role::primary) {
  return ask_reference(text, role).value();
}

}  // namespace

TEST_CASE("a packet in words and back") {
  for (const char* text : {
           "tcp 192.168.2.3:1234 > 192.168.0.3:443 flags syn in eth1 state new",
           "udp [2001:db8::3]:40000 > [2001:db8:1::3]:53 in eth1 out eth0 state established",
           "icmp 192.168.2.3 > 192.168.0.3 type echo-request in eth1 state new",
           "icmpv6 fd00::1 > fd00::2 type packet-too-big code 3 in eth1 state related",
           "tcp 10.0.0.1:1 > 10.0.0.2:2 flags syn,ack in eth0 state established reply",
           "tcp 10.0.0.1:1 > 10.0.0.2:2 flags none in eth0 state invalid mark 0x10 connection-mark 0x7",
           "tcp 10.0.0.1:1 > 10.0.0.2:2 flags syn in eth0 state related helper ftp",
           "gre 10.0.0.1 > 10.0.0.2 state new",
       }) {
    const auto packet = parse_packet(text);
    REQUIRE_MESSAGE(packet, text);
    CHECK(to_text(*packet) == text);
  }
}

TEST_CASE("what is not said is presumed: a client's port, a SYN for a new flow and an ACK for a known one") {
  const auto fresh = parse_packet("tcp 10.0.0.1 > 10.0.0.2:80 in eth1");
  REQUIRE(fresh);
  CHECK(fresh->source_port == kPresumedSourcePort);
  CHECK(fresh->tcp_flags == 0x02);
  CHECK(fresh->flow.state == FlowState::fresh);
  const auto known = parse_packet("tcp 10.0.0.1>10.0.0.2:80 in eth1 state established");
  REQUIRE(known);
  CHECK(known->tcp_flags == 0x10);
}

TEST_CASE("a text that is no packet is an error with its place and what to write instead") {
  CHECK(problem_of("tpc 10.0.0.1 > 10.0.0.2:80").column == 0);
  CHECK(problem_of("tpc 10.0.0.1 > 10.0.0.2:80").hint == "did you mean tcp?");
  CHECK(problem_of("tcp 10.0.0.1 10.0.0.2:80").column == 13);
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2").text == "tcp needs a destination port");
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2").hint == "10.0.0.2:443");
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.256:80").column == 15);
  CHECK(problem_of("tcp 10.0.0.1 > [fd00::1]:80").text == "source and destination are of different families");
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2:70000").text == "'70000' is no port");
  CHECK(problem_of("icmp 10.0.0.1:5 > 10.0.0.2").text == "icmp has no ports");
  CHECK(problem_of("icmp 10.0.0.1 > 10.0.0.2").text == "which ICMP type?");
  CHECK(problem_of("icmp 10.0.0.1 > 10.0.0.2 type echo-reqest").hint == "did you mean echo-request?");
  CHECK(problem_of("udp 10.0.0.1 > 10.0.0.2:5 state novel").column == 32);
  CHECK(problem_of("udp 10.0.0.1 > 10.0.0.2:5 flags syn").text == "only TCP has flags");
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2:5 flags syn,akc").column == 36);
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2:5 inn eth1").hint == "did you mean in?");
  CHECK(problem_of("tcp 10.0.0.1 > 10.0.0.2:5 in").column == 28);
  CHECK(problem_of("").column == 0);
  CHECK(problem_of(std::string(300, 'x')).text == "the text goes on for too long");
  const std::string shown = render("tcp 10.0.0.1 10.0.0.2:80", problem_of("tcp 10.0.0.1 10.0.0.2:80"));
  CHECK(shown.starts_with(
      "'10.0.0.2:80' where a '>' belongs\n    tcp 10.0.0.1 10.0.0.2:80\n                 ^\n"));
}

TEST_CASE("an answer names the rule, shows its lines, and says what the NAT does") {
  const std::string answer = explain_reference("tcp 192.168.2.3 > 192.168.0.3:443 in eth1");
  CHECK(answer == fmt::format(R"(tcp 192.168.2.3:40000 > 192.168.0.3:443 flags syn in eth1 state new

as primary (what this node is now): forwarded
    inet ftfw forward, rule 2: iifname "eth1" tcp dport {{ 21, 22, 80, 443 }} tcp flags syn ct state new accept
      reference.toml:{}
        [[firewall.allow]]
        protocol = "tcp"
        ports = [21, 22, 80, 443]
    inet nat postrouting, rule 1: oifname "eth0" ip saddr 192.168.2.3 snat ip to 192.168.0.100
      reference.toml:{}
        [[firewall.snat]]                            # the server answers to the virtual address, so answers survive a takeover
        out = "eth0"
        source = "192.168.2.3"
        to = "192.168.0.100"
    it goes on as tcp 192.168.0.100:40000 > 192.168.0.3:443 flags syn in eth1 out eth0 state new
as standby: dropped
    inet ftfw_guard guard, rule 2: fib daddr type unicast drop
      reference.toml:{}
        [[sync_group]]                               # these virtual routers move together
        name = "G1"
)",
                              line_of("[[firewall.allow]]"), line_of("[[firewall.snat]]"),
                              line_of("[[sync_group]]")));
}

TEST_CASE("an answer of a translated flow comes back to the address that its source got") {
  const std::string answer =
      explain_reference("tcp 192.168.0.3:443 > 192.168.2.3:40000 in eth0 out eth1 reply", Role::standby);
  CHECK(has(answer, "as primary: forwarded\n    inet ftfw forward_reply, rule 2: accept"));
  CHECK(has(answer, "snat ip to 192.168.0.100"));
  CHECK(has(answer, "it goes on as tcp 192.168.0.3:443 > 192.168.2.3:40000"));
  CHECK(has(answer, "as standby (what this node is now): dropped"));
}

TEST_CASE("an answer says what happens where a rate is exceeded, and where no rule decides") {
  const std::string ping = explain_reference("icmp 192.168.2.3 > 192.168.0.3 type echo-request in eth1");
  CHECK(has(ping, "limit rate 1/second accept\n"));
  CHECK(has(ping, "where a rate is exceeded: dropped\n    inet ftfw forward: no rule decides, policy drop"));
}

TEST_CASE("a packet that cannot be parsed is refused with the place") {
  const auto refused = ask_reference("tcp there");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.starts_with("'there' is no address\n"));
}
