// A packet in words, as an operator asks about it:
//
//   tcp 192.168.2.3 > 192.168.0.3:443 in eth1
//   udp [2001:db8::3]:40000 > [2001:db8:1::3]:53 in eth1 out eth0 state established
//   icmp 192.168.2.3 > 192.168.0.3 type echo-request in eth1
//
// PROTOCOL SOURCE > DESTINATION, then words in any order: in IFACE, out IFACE, state new|established|related|
// invalid|untracked, reply, expected, translated, helper NAME, type NAME, code N, flags syn,ack, mark N,
// connection-mark N. Pure.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "firewall/packet.hpp"

namespace ftfw::firewall {

// Longer than any sensible one; a request to a daemon is bounded.
inline constexpr std::size_t kMaxPacketText = 240;
// Where the text names none: one of those that clients take.
inline constexpr std::uint16_t kPresumedSourcePort = 40000;

struct TextProblem {
  std::size_t column = 0;  // of the word that is wrong, from 0
  std::string text;
  std::string hint;
};

std::expected<Packet, TextProblem> parse_packet(std::string_view text);

// The problem under the text, with a caret. Several lines, each ended by a newline.
std::string render(std::string_view text, const TextProblem& problem);

// The other way round, with everything that matters.
std::string to_text(const Packet& packet);

}  // namespace ftfw::firewall
