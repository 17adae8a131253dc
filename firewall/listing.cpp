#include "firewall/listing.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <string_view>

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

std::string prefix_text(const IpPrefix& prefix) {
  return prefix.is_host() ? prefix.address.to_string() : prefix.to_string();
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
    return fmt::format("{} dport {}", name_of(kProtocols, match.protocol),
                       one_or_set(match.ports, [](std::uint16_t port) { return fmt::format("{}", port); }));
  }
  std::string operator()(const TcpSynMatch&) const { return "tcp flags syn"; }
  std::string operator()(const IcmpMatch& match) const {
    return "icmp type " +
           one_or_set(match.types, [](std::uint8_t type) { return name_of(kIcmpTypes, type); });
  }
  std::string operator()(const AddressMatch& match) const {
    const bool ipv4 = match.prefixes.front().address.is_ipv4();
    // A prefix of no bits is every address of its family.
    if (match.prefixes.front().length == 0) return ipv4 ? "meta nfproto ipv4" : "meta nfproto ipv6";
    return fmt::format("{} {}addr {}", ipv4 ? "ip" : "ip6", match.side == Side::source ? 's' : 'd',
                       one_or_set(match.prefixes, prefix_text));
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
  std::string operator()(const CtHelperMatch& match) const {
    return fmt::format("ct helper \"{}\"", match.type);
  }
  std::string operator()(const UnicastElsewhereMatch&) const { return "fib daddr type unicast"; }
  std::string operator()(const SetHelper& set) const {
    return fmt::format("ct helper set \"{}\"", set.object);
  }
  std::string operator()(const Count& count) const {
    return fmt::format("counter name \"{}\"", count.object);
  }
  std::string operator()(const FlowAdd& flow) const { return "flow add @" + flow.flowtable; }
  std::string operator()(const Limit& limit) const {
    return fmt::format("limit rate {}/{}", limit.packets,
                       name_of(kLimitUnits, static_cast<std::int32_t>(limit.per_seconds)));
  }
  std::string operator()(const Log& log) const { return fmt::format("log prefix \"{}\"", log.prefix); }
  std::string operator()(const SnatTo& snat) const {
    return fmt::format("snat {} to {}", snat.address.is_ipv4() ? "ip" : "ip6", snat.address.to_string());
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
  return text;
}

std::string to_nft(const Table& table) {
  std::string body;
  const auto add_blocks = [&body](const auto& blocks) {
    for (const auto& each : blocks) body.append(body.empty() ? "" : "\n").append(block(each));
  };
  add_blocks(table.helpers);
  add_blocks(table.counters);
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
