#include "appliance/flows/filter.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

#include "config/names.hpp"

namespace ftfw {
namespace {

// enum tcp_conntrack, sctp_conntrack, ct_dccp_states: the words of conntrack(8).
constexpr std::array<std::string_view, 10> kTcpStates{"NONE",     "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
                                                      "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                                                      "CLOSE",    "SYN_SENT2"};
constexpr std::array<std::string_view, 10> kSctpStates{
    "NONE",          "CLOSED",        "COOKIE_WAIT",       "COOKIE_ECHOED",  "ESTABLISHED",
    "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"};
constexpr std::array<std::string_view, 10> kDccpStates{
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"};

std::string_view name_in(std::span<const std::string_view> names, std::size_t state) {
  return state < names.size() ? names[state] : std::string_view();
}

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
         protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

// Decimal or 0x.
template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  Number value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Family> family_of(std::string_view text) {
  if (text == "ipv4") return Family::ipv4;
  if (text == "ipv6") return Family::ipv6;
  return std::nullopt;
}

std::optional<std::uint8_t> protocol_of(const std::string& text) {
  const auto known = config::protocol_number(text);
  return known ? known : number_of<std::uint8_t>(text);
}

std::optional<MarkFilter> mark_of(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto value = number_of<std::uint32_t>(text.substr(0, slash));
  const auto mask = slash == std::string_view::npos ? std::optional<std::uint32_t>(0xffffffff)
                                                    : number_of<std::uint32_t>(text.substr(slash + 1));
  if (!value || !mask) return std::nullopt;
  return MarkFilter{.value = *value, .mask = *mask};
}

std::optional<std::string> state_of(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto knows = [&text](const auto& names) { return std::ranges::find(names, text) != names.end(); };
  if (knows(kTcpStates) || knows(kSctpStates) || knows(kDccpStates)) return text;
  return std::nullopt;
}

// Reads one option into its field; the first mistake is kept.
class OptionReader {
 public:
  explicit OptionReader(Words& words) : words_(words) {}

  template <typename Value, typename Parse>
  void read(std::string_view option, std::optional<Value>& field, Parse parse, std::string_view expected) {
    const auto text = words_.take_value(option);
    if (!text) return;
    field = parse(*text);
    if (!field && wrong_.empty()) {
      wrong_ = fmt::format("{} {}: expected {}", option, *text, expected);
    }
  }
  const std::string& wrong() const { return wrong_; }

 private:
  Words& words_;
  std::string wrong_;
};

bool holds(const std::optional<IpPrefix>& network, const IpAddress& address) {
  return !network || network->contains(address);
}

}  // namespace

std::string_view state_name(const sync::ConntrackEntry& entry) {
  if (entry.tcp) return name_in(kTcpStates, static_cast<std::size_t>(entry.tcp->state));
  if (entry.sctp) return name_in(kSctpStates, entry.sctp->state);
  if (entry.dccp) return name_in(kDccpStates, entry.dccp->state);
  return {};
}

const char* FlowFilter::arguments() {
  return "[--family ipv4|ipv6] [--protocol NAME|NUMBER] [--source NET] [--destination NET] "
         "[--reply-source NET] [--reply-destination NET] [--port N] [--source-port N] [--destination-port N] "
         "[--state STATE] [--mark MARK[/MASK]] [--zone N]";
}

Result<FlowFilter> FlowFilter::take_from(Words& words) {
  FlowFilter filter;
  OptionReader options(words);
  constexpr std::string_view kNetwork = "an address or a network such as 192.168.2.0/24";
  constexpr std::string_view kPort = "a port, 0 to 65535";
  options.read("--family", filter.family, family_of, "ipv4 or ipv6");
  options.read("--protocol", filter.protocol, protocol_of, "tcp, udp, ... or a number from 0 to 255");
  options.read("--source", filter.source, IpPrefix::parse, kNetwork);
  options.read("--destination", filter.destination, IpPrefix::parse, kNetwork);
  options.read("--reply-source", filter.reply_source, IpPrefix::parse, kNetwork);
  options.read("--reply-destination", filter.reply_destination, IpPrefix::parse, kNetwork);
  options.read("--port", filter.port, number_of<std::uint16_t>, kPort);
  options.read("--source-port", filter.source_port, number_of<std::uint16_t>, kPort);
  options.read("--destination-port", filter.destination_port, number_of<std::uint16_t>, kPort);
  options.read("--state", filter.state, state_of, "a state of TCP, SCTP or DCCP such as ESTABLISHED");
  options.read("--mark", filter.mark, mark_of, "MARK or MARK/MASK, decimal or 0x...");
  options.read("--zone", filter.zone, number_of<std::uint16_t>, "a zone, 0 to 65535");
  if (!options.wrong().empty()) return fail(Blame::configuration, options.wrong());
  return filter;
}

bool FlowFilter::any() const {
  return family || protocol || source || destination || reply_source || reply_destination || port ||
         source_port || destination_port || state || mark || zone;
}

bool FlowFilter::matches(const sync::Tuple& original) const {
  if (family && *family != original.source.family()) return false;
  if (protocol && *protocol != original.protocol) return false;
  if (!holds(source, original.source) || !holds(destination, original.destination)) return false;
  if (!port && !source_port && !destination_port) return true;
  if (!has_ports(original.protocol)) return false;
  if (port && *port != original.source_port && *port != original.destination_port) return false;
  if (source_port && *source_port != original.source_port) return false;
  return !destination_port || *destination_port == original.destination_port;
}

bool FlowFilter::matches(const sync::ConntrackEntry& entry) const {
  if (!matches(entry.key.original)) return false;
  if (!holds(reply_source, entry.reply.source) || !holds(reply_destination, entry.reply.destination)) {
    return false;
  }
  if (state && *state != state_name(entry)) return false;
  if (mark && (entry.mark.value_or(0) & mark->mask) != mark->value) return false;
  return !zone || *zone == entry.key.zone;
}

// An expectation has neither state nor mark nor replies: who asks for one wants none of them.
bool FlowFilter::matches(const sync::Expectation& expectation) const {
  if (reply_source || reply_destination || state || mark) return false;
  return matches(expectation.key.expected) && (!zone || *zone == expectation.key.zone);
}

}  // namespace ftfw
