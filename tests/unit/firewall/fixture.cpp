#include "tests/unit/firewall/fixture.hpp"

#include <fstream>
#include <sstream>

#include "firewall/listing.hpp"

namespace ftfw::firewall::test {
namespace {

using config::Allow;
using config::Location;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kGre = 47;
constexpr std::uint8_t kSctp = 132;

}  // namespace

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
  firewall.allows = {
      Allow{.from = "eth1", .protocol = kTcp, .ports = {21, 22, 80, 443}, .where = {63, 1}},
      Allow{.from = "eth1", .protocol = kUdp, .ports = {53}, .where = {67, 1}},
      Allow{.from = "eth1", .helper = "ftp", .where = {71, 1}},
      Allow{.protocol = kIcmp, .icmp_types = {8}, .limit = config::RateLimit{1, 1}, .where = {74, 1}},
  };
  firewall.log_invalid = "FORWARD-INVALID: ";
  firewall.log_where = {81, 11};
  firewall.snats = {{.out = "eth0",
                     .source = *IpPrefix::parse("192.168.2.3"),
                     .to = *IpAddress::parse("192.168.0.100"),
                     .where = {83, 1}}};
  return config;
}

config::Config config_with_allow(config::Allow allow) {
  config::Config config = reference_config();
  config.firewall.allows = {std::move(allow)};
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
  firewall.allows.push_back({.from = "eth3", .protocol = kTcp});
  firewall.allows.push_back(
      {.from = "eth3", .protocol = kTcp, .ports = {22}, .limit = config::RateLimit{10, 60}});
  firewall.allows.push_back({.protocol = kUdp, .ports = {123, 53, 123}});
  firewall.allows.push_back({.protocol = kUdp});
  firewall.allows.push_back({.protocol = kSctp, .ports = {38412}});
  firewall.allows.push_back({.from = "eth0", .protocol = kGre});
  firewall.allows.push_back({.protocol = std::uint8_t{200}});
  firewall.allows.push_back({.protocol = kIcmp});
  firewall.allows.push_back({.from = "eth1", .protocol = kIcmp, .icmp_types = {44, 0, 3, 11}});
  firewall.allows.push_back({.protocol = kIcmp, .icmp_types = {13}, .limit = config::RateLimit{7, 3600}});
  firewall.allows.push_back({.protocol = kIcmp, .icmp_types = {17}, .limit = config::RateLimit{500, 86400}});
  firewall.snats.push_back(
      {"eth0", *IpPrefix::parse("192.168.2.77/24"), *IpAddress::parse("192.168.0.100"), {}});
  firewall.snats.push_back({"eth3", *IpPrefix::parse("10.1.2.3/9"), *IpAddress::parse("192.168.3.100"), {}});
  firewall.snats.push_back({"eth4", *IpPrefix::parse("0.0.0.0/0"), *IpAddress::parse("192.168.4.100"), {}});
  firewall.snats.push_back({"eth4", *IpPrefix::parse("fd00:1::/33"), *IpAddress::parse("fd00:2::1"), {}});
  return config;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ftfw::firewall::test
