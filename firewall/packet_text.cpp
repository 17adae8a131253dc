#include "firewall/packet_text.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "config/names.hpp"

namespace ftfw::firewall {
namespace {

struct Word {
  std::string_view text;
  std::size_t column = 0;
};

constexpr std::string_view kShape = "PROTOCOL SOURCE > DESTINATION in INTERFACE";
constexpr std::array<std::string_view, 5> kStates{"new", "established", "related", "invalid", "untracked"};
constexpr std::array<FlowState, 5> kStateValues{FlowState::fresh, FlowState::established, FlowState::related,
                                                FlowState::invalid, FlowState::untracked};
constexpr std::array<std::string_view, 12> kKeys{"in",       "out",        "state",  "reply",
                                                 "expected", "translated", "helper", "type",
                                                 "code",     "flags",      "mark",   "connection-mark"};
constexpr std::array<std::string_view, 6> kFlagNames{"fin", "syn", "rst", "psh", "ack", "urg"};

bool has_ports(std::uint8_t protocol) {
  constexpr std::array<std::uint8_t, 5> kWith{config::kProtocolTcp, config::kProtocolUdp,
                                              config::kProtocolSctp, config::kProtocolDccp,
                                              config::kProtocolUdplite};
  return std::ranges::find(kWith, protocol) != kWith.end();
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || text[at] == '\t') {
      ++at;
      continue;
    }
    const std::size_t from = at;
    if (text[at] == '>') {
      ++at;
    } else {
      while (at < text.size() && text[at] != ' ' && text[at] != '\t' && text[at] != '>') ++at;
    }
    words.push_back({text.substr(from, at - from), from});
  }
  return words;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : words_(words_of(text)), end_{"", text.size()} {}

  std::expected<Packet, TextProblem> parse() {
    read_protocol();
    const auto source = read_endpoint("the source address");
    const Word arrow = next("a '>' between source and destination");
    if (arrow.text != ">")
      stop(arrow, fmt::format("'{}' where a '>' belongs", arrow.text), fmt::format("{}", kShape));
    const Word to = peek();
    const auto destination = read_endpoint("the destination address");
    if (source.first.family() != destination.first.family())
      stop(to, "source and destination are of different families");
    packet_.source = source.first;
    packet_.destination = destination.first;
    packet_.source_port = source.second.value_or(has_ports(packet_.protocol) ? kPresumedSourcePort : 0);
    packet_.destination_port = destination.second.value_or(0);
    if (has_ports(packet_.protocol) && !destination.second)
      stop(to, fmt::format("{} needs a destination port", config::protocol_name(packet_.protocol)),
           destination.first.is_ipv4() ? fmt::format("{}:443", to.text) : fmt::format("[{}]:443", to.text));
    check_family(to);
    while (at_ < words_.size()) read_key();
    finish(to);
    if (problem_) return std::unexpected(std::move(*problem_));
    return std::move(packet_);
  }

 private:
  // The first problem counts; what follows from it is not read.
  void stop(const Word& word, std::string text, std::string hint = {}) {
    if (!problem_) problem_ = TextProblem{word.column, std::move(text), std::move(hint)};
    at_ = words_.size();
  }

  Word peek() const { return at_ < words_.size() ? words_[at_] : end_; }
  Word next(std::string_view what) {
    if (at_ < words_.size()) return words_[at_++];
    stop(end_, fmt::format("here the text ends; {} is missing", what), std::string(kShape));
    return end_;
  }

  void read_protocol() {
    const Word word = next("the protocol");
    const auto known = config::protocol_number(word.text);
    const auto protocol = known ? known : number_of<std::uint8_t>(word.text);
    if (!protocol) {
      const auto meant = config::nearest(word.text, config::protocol_names());
      stop(word, fmt::format("'{}' is no protocol", word.text),
           meant ? fmt::format("did you mean {}?", *meant)
                 : fmt::format("one of {}, or a number", config::listed(config::protocol_names())));
      return;
    }
    packet_.protocol = *protocol;
    if (packet_.protocol != config::kProtocolTcp) packet_.tcp_flags = 0;
  }

  std::pair<IpAddress, std::optional<std::uint16_t>> read_endpoint(std::string_view what) {
    const Word word = next(what);
    std::string_view address = word.text;
    std::string_view port;
    bool with_port = false;
    if (address.starts_with('[')) {
      const std::size_t close = address.find(']');
      if (close == std::string_view::npos) {
        stop(word, "a '[' without its ']'", "[2001:db8::3]:443");
        return {};
      }
      port = address.substr(close + 1);
      address = address.substr(1, close - 1);
      with_port = !port.empty();
      if (with_port && !port.starts_with(':'))
        stop(word, fmt::format("'{}' behind the ']'", port), "[2001:db8::3]:443");
      if (with_port) port.remove_prefix(1);
    } else if (std::ranges::count(address, ':') == 1) {
      const std::size_t colon = address.find(':');
      port = address.substr(colon + 1);
      address = address.substr(0, colon);
      with_port = true;
    }
    const auto parsed = IpAddress::parse(address);
    if (!parsed) {
      stop(word, fmt::format("'{}' is no address", address),
           "for example 192.168.0.3:443 or [2001:db8::3]:443");
      return {};
    }
    if (!with_port) return {*parsed, std::nullopt};
    if (!has_ports(packet_.protocol))
      stop(word, fmt::format("{} has no ports", config::protocol_name(packet_.protocol)));
    const auto number = number_of<std::uint16_t>(port);
    if (!number || *number == 0) stop(word, fmt::format("'{}' is no port", port), "1 to 65535");
    return {*parsed, number};
  }

  void check_family(const Word& at) {
    const bool ipv4 = packet_.family() == Family::ipv4;
    if (packet_.protocol == config::kProtocolIcmp && !ipv4) stop(at, "icmp between IPv6 addresses", "icmpv6");
    if (packet_.protocol == config::kProtocolIcmpv6 && ipv4)
      stop(at, "icmpv6 between IPv4 addresses", "icmp");
  }

  template <typename Number>
  Number read_number(std::string_view what) {
    const Word word = next(what);
    const auto number = number_of<Number>(word.text);
    if (!number) stop(word, fmt::format("'{}' is no number for {}", word.text, what));
    return number.value_or(0);
  }

  std::string read_interface(const Word& key) {
    const Word word = next("the name of an interface");
    if (word.text.size() >= 16)
      stop(word, fmt::format("'{}' is too long for an interface", word.text),
           fmt::format("{} eth1", key.text));
    return std::string(word.text);
  }

  void read_key() {
    const Word key = next("a word");
    Flow& flow = packet_.flow;
    if (key.text == "in") {
      packet_.in = read_interface(key);
    } else if (key.text == "out") {
      packet_.out = read_interface(key);
    } else if (key.text == "state") {
      read_state();
    } else if (key.text == "reply") {
      flow.direction = Direction::reply;
      if (!state_given_) flow.state = FlowState::established;
    } else if (key.text == "expected") {
      flow.expected = true;
    } else if (key.text == "translated") {
      flow.destination_translated = true;
    } else if (key.text == "helper") {
      read_helper();
    } else if (key.text == "type") {
      read_type();
    } else if (key.text == "code") {
      packet_.icmp_code = read_number<std::uint8_t>("the ICMP code");
    } else if (key.text == "flags") {
      read_flags();
    } else if (key.text == "mark") {
      packet_.mark = read_number<std::uint32_t>("the mark");
    } else if (key.text == "connection-mark") {
      flow.mark = read_number<std::uint32_t>("the mark of the flow");
    } else {
      const auto meant = config::nearest(key.text, kKeys);
      stop(key, fmt::format("'{}' is not known here", key.text),
           meant ? fmt::format("did you mean {}?", *meant) : fmt::format("one of {}", config::listed(kKeys)));
    }
  }

  void read_state() {
    const Word word = next("the state");
    const auto found = std::ranges::find(kStates, word.text);
    if (found == kStates.end()) {
      stop(word, fmt::format("'{}' is no state of a flow", word.text),
           fmt::format("one of {}", config::listed(kStates)));
      return;
    }
    packet_.flow.state = kStateValues.at(static_cast<std::size_t>(found - kStates.begin()));
    state_given_ = true;
  }

  // The flow that an FTP connection announced, and so on.
  void read_helper() {
    const Word word = next("the name of a helper");
    if (config::kernel_helpers(word.text).empty())
      stop(word, fmt::format("the kernel has no helper '{}'", word.text),
           fmt::format("it has {}", config::listed(config::kernel_helper_names(), " and ")));
    packet_.flow.helper = word.text;
    packet_.flow.expected = true;
    if (!state_given_) packet_.flow.state = FlowState::related;
  }

  void read_type() {
    const Word word = next("the ICMP type");
    const bool icmp = packet_.protocol == config::kProtocolIcmp;
    if (!icmp && packet_.protocol != config::kProtocolIcmpv6)
      stop(word, fmt::format("{} has no types", config::protocol_name(packet_.protocol)));
    const auto known = icmp ? config::icmp_type_number(word.text) : config::icmpv6_type_number(word.text);
    const auto type = known ? known : number_of<std::uint8_t>(word.text);
    const auto names = icmp ? config::icmp_type_names() : config::icmpv6_type_names();
    if (!type) {
      const auto meant = config::nearest(word.text, names);
      stop(word, fmt::format("'{}' is no type of {}", word.text, icmp ? "ICMP" : "ICMPv6"),
           meant ? fmt::format("did you mean {}?", *meant)
                 : fmt::format("one of {}, or a number", config::listed(names)));
      return;
    }
    packet_.icmp_type = *type;
    type_given_ = true;
  }

  void read_flags() {
    const Word word = next("the TCP flags");
    if (packet_.protocol != config::kProtocolTcp) stop(word, "only TCP has flags");
    packet_.tcp_flags = 0;
    flags_given_ = true;
    if (word.text == "none") return;
    for (std::size_t from = 0; from <= word.text.size();) {
      const std::size_t comma = std::min(word.text.find(',', from), word.text.size());
      const std::string_view name = word.text.substr(from, comma - from);
      const auto found = std::ranges::find(kFlagNames, name);
      if (found == kFlagNames.end()) {
        stop({name, word.column + from}, fmt::format("'{}' is no TCP flag", name),
             fmt::format("{}, or none; for example syn,ack", config::listed(kFlagNames)));
        return;
      }
      packet_.tcp_flags = static_cast<std::uint8_t>(packet_.tcp_flags | (1U << (found - kFlagNames.begin())));
      from = comma + 1;
    }
  }

  // What follows from the rest: a TCP packet of a flow that is there is an ACK.
  void finish(const Word& at) {
    const bool icmp = packet_.protocol == config::kProtocolIcmp;
    if ((icmp || packet_.protocol == config::kProtocolIcmpv6) && !type_given_)
      stop({at.text, end_.column}, "which ICMP type?", "type echo-request");
    const bool known = packet_.flow.state == FlowState::established;
    if (packet_.protocol == config::kProtocolTcp && !flags_given_ && known) packet_.tcp_flags = 0x10;
  }

  std::vector<Word> words_;
  Word end_;
  std::size_t at_ = 0;
  Packet packet_;
  bool state_given_ = false;
  bool type_given_ = false;
  bool flags_given_ = false;
  std::optional<TextProblem> problem_;
};

std::string endpoint_text(const IpAddress& address, std::uint16_t port, bool with_port) {
  if (!with_port) return address.to_string();
  return address.is_ipv4() ? fmt::format("{}:{}", address.to_string(), port)
                           : fmt::format("[{}]:{}", address.to_string(), port);
}

std::string flags_text(std::uint8_t flags) {
  std::string text;
  for (std::size_t bit = 0; bit < kFlagNames.size(); ++bit) {
    if ((flags & (1U << bit)) != 0) text.append(text.empty() ? "" : ",").append(kFlagNames.at(bit));
  }
  return text.empty() ? "none" : text;
}

std::string type_text(std::uint8_t type, bool icmp) {
  for (const std::string_view name : icmp ? config::icmp_type_names() : config::icmpv6_type_names()) {
    const auto number = icmp ? config::icmp_type_number(name) : config::icmpv6_type_number(name);
    if (number == type) return std::string(name);
  }
  return fmt::format("{}", type);
}

}  // namespace

std::expected<Packet, TextProblem> parse_packet(std::string_view text) {
  if (text.size() > kMaxPacketText)
    return std::unexpected(TextProblem{kMaxPacketText, "the text goes on for too long", std::string(kShape)});
  return Parser(text).parse();
}

std::string render(std::string_view text, const TextProblem& problem) {
  std::string shown = fmt::format("{}\n    {}\n    {:>{}}\n", problem.text, text, "^", problem.column + 1);
  if (!problem.hint.empty()) shown += fmt::format("    hint: {}\n", problem.hint);
  return shown;
}

std::string to_text(const Packet& packet) {
  const bool ports = has_ports(packet.protocol);
  std::string text = fmt::format("{} {} > {}", config::protocol_name(packet.protocol),
                                 endpoint_text(packet.source, packet.source_port, ports),
                                 endpoint_text(packet.destination, packet.destination_port, ports));
  const bool icmp = packet.protocol == config::kProtocolIcmp;
  if (icmp || packet.protocol == config::kProtocolIcmpv6)
    text += fmt::format(" type {}", type_text(packet.icmp_type, icmp));
  if (packet.icmp_code != 0) text += fmt::format(" code {}", packet.icmp_code);
  if (packet.protocol == config::kProtocolTcp) text += " flags " + flags_text(packet.tcp_flags);
  if (!packet.in.empty()) text += " in " + packet.in;
  if (!packet.out.empty()) text += " out " + packet.out;
  const auto state = std::ranges::find(kStateValues, packet.flow.state);
  text += fmt::format(" state {}", kStates.at(static_cast<std::size_t>(state - kStateValues.begin())));
  if (packet.flow.direction == Direction::reply) text += " reply";
  if (!packet.flow.helper.empty()) text += " helper " + packet.flow.helper;
  if (packet.mark != 0) text += fmt::format(" mark {:#x}", packet.mark);
  if (packet.flow.mark != 0) text += fmt::format(" connection-mark {:#x}", packet.flow.mark);
  return text;
}

}  // namespace ftfw::firewall
