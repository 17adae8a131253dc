#include "tests/unit/firewall/fixture.hpp"

#include <fstream>
#include <sstream>

#include "firewall/listing.hpp"

namespace ftfw::firewall::test {
namespace {

using config::Location;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kGre = 47;
constexpr std::uint8_t kSctp = 132;

}  // namespace

std::vector<config::NamedInterface> from(const std::string& interface) {
  return {{interface, {}}};
}

config::PortSet ports(const std::vector<std::uint16_t>& numbers) {
  config::PortSet set;
  for (const std::uint16_t number : numbers) set.ranges.push_back({number, number});
  set.ranges = config::merged(std::move(set.ranges));
  return set;
}

config::AddressSet addresses(const std::vector<std::string>& texts) {
  config::AddressSet set;
  for (const std::string& text : texts) {
    if (text.starts_with('@')) {
      set.groups.push_back({text.substr(1), {}});
    } else if (const auto range = config::parse_address_range(text)) {
      set.ranges.push_back(*range);
    } else {
      set.ranges.push_back(config::range_of(IpPrefix::parse(text).value()));
    }
  }
  set.ranges = config::merged(std::move(set.ranges));
  return set;
}

config::Config reference_config() {
  config::Config config;
  config.group = {.name = "G1", .where = Location{19, 1}};
  config.group.routers = {{.name = "VI_1",
                           .interface = "eth1",
                           .id = 61,
                           .addresses = {{.address = *IpPrefix::parse("192.168.2.100")}}},
                          {.name = "VI_2",
                           .interface = "eth0",
                           .id = 62,
                           .addresses = {{.address = *IpPrefix::parse("192.168.0.100")}}}};
  config::Firewall& firewall = config.firewall;
  firewall.inside = "eth1";
  firewall.inside_where = {43, 10};
  firewall.outside = "eth0";
  firewall.outside_where = {44, 11};
  firewall.helpers = {{.name = "ftp-std",
                       .type = "ftp",
                       .protocol = kTcp,
                       .port = 21,
                       .server = IpPrefix::parse("192.168.0.3"),
                       .where = {46, 1}}};
  firewall.counters = {{.name = "counter_exp", .where = {53, 1}}};
  firewall.flowtables = {
      {.name = "flow_exp", .devices = {"eth0"}, .counter = "counter_exp", .where = {56, 1}}};
  firewall.rules = {
      {.match = {.from = from("eth1"), .protocols = {kTcp}, .ports = ports({21, 22, 80, 443})},
       .where = {63, 1}},
      {.match = {.from = from("eth1"), .protocols = {kUdp}, .ports = ports({53})}, .where = {67, 1}},
      {.match = {.from = from("eth1")}, .helper = "ftp", .where = {71, 1}},
      {.match = {.protocols = {kIcmp}, .icmp_types = {8}},
       .limit = config::RateLimit{1, 1},
       .where = {74, 1}},
  };
  firewall.log_invalid = "FORWARD-INVALID: ";
  firewall.log_where = {81, 11};
  firewall.snats = {{.match = {.to = from("eth0"), .source = addresses({"192.168.2.3"})},
                     .to = config::range_of(*IpAddress::parse("192.168.0.100")),
                     .where = {83, 1}}};
  return config;
}

config::Config config_with_rule(config::PolicyRule rule) {
  config::Config config = reference_config();
  config.firewall.rules = {std::move(rule)};
  config.firewall.log_invalid.clear();
  return config;
}

std::string rules_of(const Ruleset& ruleset, const std::string& table, const std::string& chain) {
  std::string text;
  for (const Table& each : ruleset) {
    if (each.name != table) continue;
    for (const Chain& block : each.chains) {
      if (block.name != chain) continue;
      for (const Rule& rule : block.rules) text += to_nft(rule) + "\n";
    }
  }
  return text;
}

config::Config everything_config() {
  config::Config config = reference_config();
  config.group.routers.front().virtual_mac_interface = "vrrp.61";
  config::Firewall& firewall = config.firewall;
  firewall.forward_policy = config::ForwardPolicy::accept;
  firewall.flowtables.clear();
  firewall.counters.push_back({.name = "another"});
  firewall.helpers.push_back({.name = "tftp-any", .type = "tftp", .protocol = kUdp, .port = 69});
  firewall.helpers.push_back(
      {.name = "ftp-net", .type = "ftp", .port = 2121, .server = IpPrefix::parse("192.168.0.77/25")});
  firewall.helpers.push_back(
      {.name = "ftp-six", .type = "ftp", .port = 21, .server = IpPrefix::parse("fd00::3")});
  const auto allow = [&firewall](config::Match match, std::optional<config::RateLimit> limit = {}) {
    firewall.rules.push_back({.match = std::move(match), .limit = limit, .where = {100, 1}});
  };
  allow({.from = from("eth3"), .protocols = {kTcp}});
  allow({.from = from("eth3"), .protocols = {kTcp}, .ports = ports({22})}, config::RateLimit{10, 60});
  allow({.protocols = {kUdp}, .ports = ports({53, 123})});
  allow({.protocols = {kUdp}});
  allow({.protocols = {kSctp}, .ports = ports({38412})});
  allow({.from = from("eth0"), .protocols = {kGre}});
  allow({.protocols = {200}});
  allow({.protocols = {kIcmp}});
  allow({.from = from("eth1"), .protocols = {kIcmp}, .icmp_types = {44, 0, 3, 11}});
  allow({.protocols = {kIcmp}, .icmp_types = {13}}, config::RateLimit{7, 3600});
  allow({.protocols = {kIcmp}, .icmp_types = {17}}, config::RateLimit{500, 86400});
  const auto snat = [&firewall](const char* out, const char* source, const char* to) {
    firewall.snats.push_back({.match = {.to = from(out), .source = addresses({source})},
                              .to = config::range_of(*IpAddress::parse(to)),
                              .where = {200, 1}});
  };
  snat("eth0", "192.168.2.77/24", "192.168.0.100");
  snat("eth3", "10.1.2.3/9", "192.168.3.100");
  snat("eth4", "0.0.0.0/0", "192.168.4.100");
  snat("eth4", "fd00:1::/33", "fd00:2::1");
  return config;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ftfw::firewall::test
