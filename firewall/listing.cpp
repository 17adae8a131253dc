#include "firewall/listing.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "firewall/network.hpp"

namespace ftfw::firewall {
namespace {

// ---- names

struct Name {
  std::int32_t number;
  std::string_view text;
};

template <std::size_t N>
std::string name_of(const std::array<Name, N>& names, std::int32_t number) {
  for (const Name& name : names) {
    if (name.number == number) return std::string(name.text);
  }
  return fmt::format("{}", number);
}

// As in /etc/protocols of Debian, which is where nft looks.
constexpr auto kProtocols = std::to_array<Name>({
    {IPPROTO_ICMP, "icmp"},
    {IPPROTO_IGMP, "igmp"},
    {IPPROTO_IPIP, "ipencap"},
    {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},
    {IPPROTO_DCCP, "dccp"},
    {IPPROTO_IPV6, "ipv6"},
    {IPPROTO_GRE, "gre"},
    {IPPROTO_ESP, "esp"},
    {IPPROTO_AH, "ah"},
    {IPPROTO_ICMPV6, "ipv6-icmp"},
    {89, "ospf"},
    {103, "pim"},
    {112, "vrrp"},
    {IPPROTO_SCTP, "sctp"},
    {IPPROTO_UDPLITE, "udplite"},
});

constexpr auto kIcmpTypes = std::to_array<Name>({
    {0, "echo-reply"},
    {3, "destination-unreachable"},
    {4, "source-quench"},
    {5, "redirect"},
    {8, "echo-request"},
    {9, "router-advertisement"},
    {10, "router-solicitation"},
    {11, "time-exceeded"},
    {12, "parameter-problem"},
    {13, "timestamp-request"},
    {14, "timestamp-reply"},
    {15, "info-request"},
    {16, "info-reply"},
    {17, "address-mask-request"},
    {18, "address-mask-reply"},
});

// As nft spells them.
constexpr auto kIcmpv6Types = std::to_array<Name>({
    {1, "destination-unreachable"},
    {2, "packet-too-big"},
    {3, "time-exceeded"},
    {4, "parameter-problem"},
    {128, "echo-request"},
    {129, "echo-reply"},
    {130, "mld-listener-query"},
    {131, "mld-listener-report"},
    {132, "mld-listener-done"},
    {133, "nd-router-solicit"},
    {134, "nd-router-advert"},
    {135, "nd-neighbor-solicit"},
    {136, "nd-neighbor-advert"},
    {137, "nd-redirect"},
    {138, "router-renumbering"},
    {141, "ind-neighbor-solicit"},
    {142, "ind-neighbor-advert"},
    {143, "mld2-listener-report"},
});

constexpr auto kTcpFlags = std::to_array<Name>({{0x01, "fin"},
                                                {0x02, "syn"},
                                                {0x04, "rst"},
                                                {0x08, "psh"},
                                                {0x10, "ack"},
                                                {0x20, "urg"},
                                                {0x40, "ecn"},
                                                {0x80, "cwr"}});

constexpr auto kLimitUnits =
    std::to_array<Name>({{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}});

std::string_view name_of(Hook hook) {
  switch (hook) {
    case Hook::prerouting:
      return "prerouting";
    case Hook::input:
      return "input";
    case Hook::forward:
      return "forward";
    case Hook::output:
      return "output";
    case Hook::postrouting:
      return "postrouting";
  }
  return "";
}

// nft names a priority by the standard one that lies within 10 of it, if the hook knows that one.
std::string priority_text(Hook hook, std::int32_t priority) {
  constexpr auto kStandard = std::to_array<Name>(
      {{-300, "raw"}, {-150, "mangle"}, {-100, "dstnat"}, {0, "filter"}, {50, "security"}, {100, "srcnat"}});
  for (const Name& name : kStandard) {
    if (name.text == "dstnat" && hook != Hook::prerouting) continue;
    if (name.text == "srcnat" && hook != Hook::postrouting) continue;
    const std::int32_t distance = priority - name.number;
    if (std::abs(distance) > 10) continue;
    if (distance == 0) return std::string(name.text);
    return fmt::format("{} {} {}", name.text, distance < 0 ? '-' : '+', std::abs(distance));
  }
  return fmt::format("{}", priority);
}

// ---- expressions

// "21" or "{ 21, 22 }"
template <typename Values, typename Print>
std::string one_or_set(const Values& values, const Print& print) {
  if (values.size() == 1) return print(values.front());
  std::string text = "{ ";
  for (const auto& value : values) {
    if (text.size() > 2) text += ", ";
    text += print(value);
  }
  return text + " }";
}

std::string flags_text(std::uint8_t flags) {
  std::string text;
  for (const Name& flag : kTcpFlags) {
    if ((flags & flag.number) != 0) text.append(text.empty() ? "" : ",").append(flag.text);
  }
  return text;
}

std::string_view level_text(config::LogLevel level) {
  constexpr std::array<std::string_view, 8> kLevels{"emerg", "alert",  "crit", "err",
                                                    "warn",  "notice", "info", "debug"};
  return kLevels.at(static_cast<std::size_t>(level));
}

// "203.0.113.7-203.0.113.9": nft does not write a network here.
std::string span_text(const AddressRange& range, bool brackets) {
  const auto text = [&](const IpAddress& address) {
    return brackets ? fmt::format("[{}]", address.to_string()) : address.to_string();
  };
  return range.is_host() ? text(range.first) : fmt::format("{}-{}", text(range.first), text(range.last));
}

std::string to_ports_text(const std::optional<PortRange>& ports) {
  return ports ? " to :" + config::to_string(*ports) : "";
}

struct Printer {
  std::string operator()(const InterfaceMatch& match) const {
    return fmt::format("{}ifname {}", match.traffic == Traffic::in ? 'i' : 'o',
                       one_or_set(match.names, [](const std::string& name) { return '"' + name + '"'; }));
  }
  std::string operator()(const ProtocolMatch& match) const {
    return "meta l4proto " + name_of(kProtocols, match.protocol);
  }
  std::string operator()(const PortMatch& match) const {
    return fmt::format(
        "{} {}port {}", name_of(kProtocols, match.protocol), match.side == Side::source ? 's' : 'd',
        match.set.empty()
            ? one_or_set(match.ports, [](const PortRange& range) { return config::to_string(range); })
            : '@' + match.set);
  }
  std::string operator()(const TcpFlagsMatch& match) const {
    if (match.value == 0) return "tcp flags ! " + flags_text(match.mask);
    // All of one flag: nft has no slash for it.
    if (match.value == match.mask && std::has_single_bit(match.mask))
      return "tcp flags " + flags_text(match.mask);
    return fmt::format("tcp flags {} / {}", flags_text(match.value), flags_text(match.mask));
  }
  std::string operator()(const IcmpMatch& match) const {
    const bool ipv4 = match.family == Family::ipv4;
    return (ipv4 ? "icmp type " : "icmpv6 type ") + one_or_set(match.types, [ipv4](std::uint8_t type) {
             return ipv4 ? name_of(kIcmpTypes, type) : name_of(kIcmpv6Types, type);
           });
  }
  std::string operator()(const AddressMatch& match) const {
    const bool ipv4 = match.family == Family::ipv4;
    const std::string side =
        fmt::format("{} {}addr ", ipv4 ? "ip" : "ip6", match.side == Side::source ? 's' : 'd');
    if (!match.set.empty()) return side + '@' + match.set;
    // A prefix of no bits is every address of its family.
    if (match.ranges.size() == 1 && covers_family(match.ranges.front()))
      return ipv4 ? "meta nfproto ipv4" : "meta nfproto ipv6";
    return side +
           one_or_set(match.ranges, [](const AddressRange& range) { return config::to_string(range); });
  }
  std::string operator()(const MarkMatch& match) const {
    const char* of = match.connection ? "ct" : "meta";
    if (match.mark.mask == 0xffffffff) return fmt::format("{} mark 0x{:08x}", of, match.mark.value);
    return fmt::format("{} mark & 0x{:08x} == 0x{:08x}", of, match.mark.mask, match.mark.value);
  }
  std::string operator()(const CtStateMatch& match) const {
    std::string text;  // in the order of the kernel's bits, as nft prints them
    const auto add = [&text](bool present, std::string_view name) {
      if (present) text.append(text.empty() ? "" : ",").append(name);
    };
    add(match.invalid, "invalid");
    add(match.established, "established");
    add(match.related, "related");
    add(match.fresh, "new");
    add(match.untracked, "untracked");
    return "ct state " + text;
  }
  std::string operator()(const CtDirectionMatch& match) const {
    return match.direction == Direction::reply ? "ct direction reply" : "ct direction original";
  }
  std::string operator()(const CtExpectedMatch&) const { return "ct status expected"; }
  std::string operator()(const CtTranslatedMatch&) const { return "ct status dnat"; }
  std::string operator()(const CtHelperMatch& match) const {
    return fmt::format("ct helper \"{}\"", match.type);
  }
  std::string operator()(const UnicastElsewhereMatch&) const { return "fib daddr type unicast"; }
  std::string operator()(const NoWayBackMatch& match) const {
    return match.loose ? "fib saddr oif missing" : "fib saddr . iif oif missing";
  }
  std::string operator()(const SetHelper& set) const {
    return fmt::format("ct helper set \"{}\"", set.object);
  }
  std::string operator()(const Count& count) const {
    return fmt::format("counter name \"{}\"", count.object);
  }
  std::string operator()(const CountRule&) const { return "counter packets 0 bytes 0"; }
  std::string operator()(const FlowAdd& flow) const { return "flow add @" + flow.flowtable; }
  std::string operator()(const Limit& limit) const {
    const config::RateLimit& rate = limit.rate;
    std::string text = fmt::format("limit rate {}{}/{}", rate.over ? "over " : "", rate.packets,
                                   name_of(kLimitUnits, static_cast<std::int32_t>(rate.per_seconds)));
    if (rate.burst != kDefaultBurst) text += fmt::format(" burst {} packets", rate.burst);
    return text;
  }
  std::string operator()(const Log& log) const {
    std::string text = "log";
    if (!log.prefix.empty()) text += fmt::format(" prefix \"{}\"", log.prefix);
    if (log.level != config::LogLevel::warn) text += fmt::format(" level {}", level_text(log.level));
    return text;
  }
  std::string operator()(const Translate& nat) const {
    const bool ipv4 = nat.to.family() == Family::ipv4;
    std::string text = fmt::format("{}nat {} to {}", nat.side == Side::source ? 's' : 'd',
                                   ipv4 ? "ip" : "ip6", span_text(nat.to, !ipv4 && nat.ports));
    if (nat.ports) text += ':' + config::to_string(*nat.ports);
    return text;
  }
  std::string operator()(const Masquerade& nat) const { return "masquerade" + to_ports_text(nat.ports); }
  std::string operator()(const Redirect& nat) const { return "redirect" + to_ports_text(nat.ports); }
  std::string operator()(const Reject& reject) const {
    switch (reject.with) {
      case config::RejectWith::automatic:
      case config::RejectWith::port_unreachable:
        if (!reject.family) return "reject";
        return reject.family == Family::ipv4 ? "reject with icmp port-unreachable"
                                             : "reject with icmpv6 port-unreachable";
      case config::RejectWith::tcp_reset:
        return "reject with tcp reset";
      case config::RejectWith::host_unreachable:
        return "reject with icmpx host-unreachable";
      case config::RejectWith::no_route:
        return "reject with icmpx no-route";
      case config::RejectWith::admin_prohibited:
        return "reject with icmpx admin-prohibited";
    }
    return "reject";
  }
  std::string operator()(const Accept&) const { return "accept"; }
  std::string operator()(const Drop&) const { return "drop"; }
  std::string operator()(const Goto& verdict) const { return "goto " + verdict.chain; }
};

// ---- blocks of a table

std::string block(const HelperObject& helper) {
  return fmt::format("\tct helper {} {{\n\t\ttype \"{}\" protocol {}\n\t\tl3proto inet\n\t}}\n", helper.name,
                     helper.type, name_of(kProtocols, helper.protocol));
}

std::string block(const CounterObject& counter) {
  return fmt::format("\tcounter {} {{\n\t\tpackets 0 bytes 0\n\t}}\n", counter.name);
}

// How many elements nft 1.0.6 writes into a line.
std::size_t elements_per_line(const SetObject& set) {
  if (set.type == config::GroupType::ports) return 5;
  return set.family == Family::ipv4 ? 2 : 1;
}

std::string block(const SetObject& set) {
  const bool ports = set.type == config::GroupType::ports;
  std::string text = fmt::format("\tset {} {{\n\t\ttype {}\n", set.name,
                                 ports                        ? "inet_service"
                                 : set.family == Family::ipv4 ? "ipv4_addr"
                                                              : "ipv6_addr");
  if (set.has_intervals()) text += "\t\tflags interval\n";
  for (std::size_t i = 0; i < set.size(); ++i) {
    text += i == 0 ? "\t\telements = { " : i % elements_per_line(set) == 0 ? ",\n\t\t\t     " : ", ";
    text += ports ? config::to_string(set.ports[i]) : config::to_string(set.addresses[i]);
  }
  return text + (set.size() > 0 ? " }\n\t}\n" : "\t}\n");
}

std::string block(const FlowtableObject& flowtable) {
  return fmt::format("\tflowtable {} {{\n\t\thook ingress priority filter\n\t\tdevices = {{ {} }}\n\t}}\n",
                     flowtable.name, fmt::join(flowtable.devices, ", "));
}

std::string block(const Chain& chain) {
  std::string text = fmt::format("\tchain {} {{\n", chain.name);
  if (chain.base) {
    text += fmt::format("\t\ttype {} hook {} priority {}; policy {};\n",
                        chain.base->type == ChainType::nat ? "nat" : "filter", name_of(chain.base->hook),
                        priority_text(chain.base->hook, chain.base->priority),
                        chain.base->policy == Policy::drop ? "drop" : "accept");
  }
  for (const Rule& rule : chain.rules) text += "\t\t" + to_nft(rule) + "\n";
  return text + "\t}\n";
}

}  // namespace

std::string to_nft(const Rule& rule) {
  std::string text;
  for (const Expression& expression : rule.expressions) {
    if (!text.empty()) text += ' ';
    text += std::visit(Printer{}, expression);
  }
  if (!rule.comment.empty()) text += fmt::format(" comment \"{}\"", rule.comment);
  return text;
}

std::string to_nft(const Table& table) {
  std::string body;
  const auto add_blocks = [&body](const auto& blocks) {
    for (const auto& each : blocks) body.append(body.empty() ? "" : "\n").append(block(each));
  };
  add_blocks(table.helpers);
  add_blocks(table.counters);
  add_blocks(table.sets);
  add_blocks(table.flowtables);
  add_blocks(table.chains);
  return fmt::format("table inet {} {{\n{}}}\n", table.name, body);
}

std::uint64_t digest_of(const Table& table) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char each : to_nft(table)) hash = (hash ^ static_cast<std::uint8_t>(each)) * 0x100000001b3;
  return hash;
}

std::string to_nft(const Ruleset& ruleset) {
  std::string text;
  for (const Table& table : ruleset) text += to_nft(table);
  return text;
}

}  // namespace ftfw::firewall
