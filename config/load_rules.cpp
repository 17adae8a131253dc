// [[firewall.allow]] and [[firewall.snat]].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

struct RateUnit {
  std::string_view name;
  std::uint64_t seconds;
};
constexpr std::array<RateUnit, 4> kRateUnits{{{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
// Kernel: nft_limit divides nanoseconds by the rate.
constexpr std::uint64_t kMaxRate = 1'000'000'000;

std::optional<RateLimit> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto unit = std::ranges::find(kRateUnits, text.substr(slash + 1), &RateUnit::name);
  if (unit == kRateUnits.end()) return std::nullopt;
  RateLimit limit{.packets = 0, .per_seconds = unit->seconds};
  const char* const end = text.data() + slash;
  const auto parsed = std::from_chars(text.data(), end, limit.packets);
  const bool number = parsed.ec == std::errc() && parsed.ptr == end;
  if (!number || limit.packets == 0 || limit.packets > kMaxRate) return std::nullopt;
  return limit;
}

void read_ports(Section& section, Allow& allow) {
  for (const Value& value : section.list({"ports", "[80, 443]; leave it out to allow every port"})) {
    const auto port = value.integer(1, 65535);
    if (!port) continue;
    const auto number = static_cast<std::uint16_t>(port->value);
    if (std::ranges::find(allow.ports, number) != allow.ports.end()) {
      value.error(fmt::format("port {} stands in the list already", number), "");
      continue;
    }
    allow.ports.push_back(number);
  }
}

std::optional<std::uint8_t> read_icmp_type(const Value& value) {
  if (value.node.is_integer()) {
    const auto number = value.integer(0, 255);
    if (!number) return std::nullopt;
    return static_cast<std::uint8_t>(number->value);
  }
  const auto name = value.text("an ICMP type's name in quotes or its number");
  if (!name) return std::nullopt;
  const auto number = icmp_type_number(name->value);
  if (!number) {
    const auto meant = nearest(name->value, icmp_type_names());
    value.error(
        fmt::format("unknown ICMP type {}", quoted(name->value)),
        meant ? fmt::format("did you mean \"{}\"?", *meant)
              : fmt::format("known are {}; any other by its number", listed(icmp_type_names(), " and ")));
  }
  return number;
}

void read_types(Section& section, Allow& allow) {
  for (const Value& value : section.list({"types", "[\"echo-request\"]; leave it out to allow every type"})) {
    const auto type = read_icmp_type(value);
    if (!type) continue;
    if (std::ranges::find(allow.icmp_types, *type) != allow.icmp_types.end()) {
      value.error("this type stands in the list already", "");
      continue;
    }
    allow.icmp_types.push_back(*type);
  }
}

void read_allowed_helper(Section& section, Allow& allow) {
  const auto value = section.value({"helper", "\"ftp\""});
  const auto name = value ? value->text("a helper's name in quotes") : std::nullopt;
  if (!name) return;
  if (kernel_helpers(name->value).empty()) {
    const auto meant = nearest(name->value, kernel_helper_names());
    value->error(fmt::format("the kernel has no helper {}", quoted(name->value)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant)
                       : "`helper` is the `type` of a [[firewall.helper]], for example \"ftp\"");
    return;
  }
  allow.helper = name->value;
  allow.helper_where = name->where;
}

// Which keys can stand together. A key that is there but could not be read counts as there.
void check_combination(const Section& section, const Allow& allow) {
  DiagnosticList& diagnostics = section.diagnostics();
  const bool protocol = section.has("protocol");
  const bool helper = section.has("helper");
  const bool protocol_unread = protocol && !allow.protocol;
  if (!protocol && !helper) {
    diagnostics.error(section.where(), "an allow needs 'protocol' or 'helper'",
                      "for example: protocol = \"tcp\"");
    return;
  }
  if (protocol && helper) {
    diagnostics.error(
        section.where_key("helper"), "an allow has either 'protocol' or 'helper'",
        "a helper's connections are allowed by its name alone: split this into two [[firewall.allow]]");
    return;
  }
  const bool takes_ports = allow.protocol == kProtocolTcp || allow.protocol == kProtocolUdp;
  if (section.has("ports") && !takes_ports && !protocol_unread) {
    diagnostics.error(section.where_key("ports"),
                      helper ? std::string("'ports' does not go with 'helper'")
                             : fmt::format("{} has no ports here", protocol_name(*allow.protocol)),
                      "'ports' goes with protocol = \"tcp\" or \"udp\"");
  }
  if (section.has("types") && allow.protocol != kProtocolIcmp && !protocol_unread) {
    diagnostics.error(section.where_key("types"),
                      helper ? std::string("'types' does not go with 'helper'")
                             : fmt::format("{} has no ICMP types", protocol_name(*allow.protocol)),
                      "'types' goes with protocol = \"icmp\"");
  }
}

Allow read_allow(Section& section, const std::string& inside) {
  Allow allow{.from = inside, .where = section.where()};
  if (const auto from = section.interface({"from", "\"eth1\""})) {
    if (from->value == "any") {
      allow.from.clear();
    } else {
      allow.from = from->value;
      allow.from_where = from->where;
    }
  }
  if (const auto protocol = section.protocol({"protocol", "\"tcp\""})) allow.protocol = protocol->value;
  read_ports(section, allow);
  read_types(section, allow);
  read_allowed_helper(section, allow);
  if (const auto value = section.value({"limit", "\"1/second\""})) {
    const auto text = value->text("a rate in quotes");
    if (text) allow.limit = parse_rate(text->value);
    if (text && !allow.limit) {
      value->error(
          fmt::format("{} is no rate: a whole number from 1, a slash, and second, minute, hour or day",
                      quoted(text->value)));
    }
  }
  check_combination(section, allow);
  section.finish();
  return allow;
}

SourceNat read_snat(Section& section) {
  SourceNat snat{.where = section.where()};
  if (const auto out = section.interface({"out", "\"eth0\"", Need::required})) {
    snat.out = out->value;
    snat.out_where = out->where;
  }
  const auto source_value = section.value({"source", "\"192.168.2.0/24\"", Need::required});
  const auto source = source_value ? source_value->prefix() : std::nullopt;
  if (source && check_host_bits(source->value, *source_value)) snat.source = source->value;
  const auto to_value = section.value({"to", "\"192.168.0.100\"", Need::required});
  const auto to = to_value ? to_value->address() : std::nullopt;
  section.finish();
  if (!to || !check_usable(to->value, *to_value)) return snat;
  snat.to = to->value;
  snat.to_where = to->where;
  if (source && source->value.address.family() != to->value.family()) {
    to_value->error(fmt::format("{} cannot become {}: one is IPv4, the other IPv6", source->value.to_string(),
                                to->value.to_string()),
                    "");
  }
  return snat;
}

}  // namespace

std::vector<Allow> read_allows(Section& firewall, const std::string& inside) {
  std::vector<Allow> allows;
  for (Section& one : firewall.tables({"allow", ""}, "[[firewall.allow]]"))
    allows.push_back(read_allow(one, inside));
  return allows;
}

std::vector<SourceNat> read_snats(Section& firewall) {
  std::vector<SourceNat> snats;
  for (Section& one : firewall.tables({"snat", ""}, "[[firewall.snat]]")) snats.push_back(read_snat(one));
  return snats;
}

}  // namespace ftfw::config
