#include "config/load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "config/interface_use.hpp"

namespace ftfw::config {
namespace {

std::string example_text(const std::string& name) {
  std::ifstream file(std::string(CONFIG_EXAMPLES_DIR) + "/" + name);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string reference_text() {
  return example_text("reference.toml");
}

Config reference() {
  const Loaded loaded = load(reference_text());
  REQUIRE(loaded.config.has_value());
  return *loaded.config;
}

Config dual_stack() {
  const Loaded loaded = load(example_text("dual-stack.toml"));
  REQUIRE(loaded.config.has_value());
  return *loaded.config;
}

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
IpPrefix net(std::string_view text) {
  return IpPrefix::parse(text).value();
}

// Only what has no default.
constexpr std::string_view kSmallest = R"(
schema = 1
[node.a]
priority = 1
replication_address = "10.0.0.1"
[node.b]
priority = 254
replication_address = "10.0.0.2"
[[sync_group]]
[[sync_group.virtual_router]]
interface = "lan"
id = 1
addresses = ["10.1.0.1/24"]
[replication]
interface = "link"
insecure = true
[firewall]
inside = "lan"
outside = "wan"
)";

TEST_CASE("the reference file is read without a diagnostic") {
  CHECK(load(reference_text()).diagnostics.empty());
}

TEST_CASE("the reference file gives its nodes in file order") {
  const Config config = reference();
  REQUIRE(config.nodes.size() == 2);
  CHECK(config.nodes[0].name == "fw-1");
  CHECK(config.nodes[0].priority == 100);
  CHECK(config.nodes[0].replication_address == ip("192.168.100.100"));
  CHECK(config.nodes[0].where == Location{6, 7});
  CHECK(config.nodes[1].name == "fw-2");
  CHECK(config.nodes[1].priority == 80);
  CHECK(config.nodes[1].replication_address == ip("192.168.100.200"));
  CHECK(config.on_exit == OnExit::closed);
}

TEST_CASE("the reference file gives VRRP version 2 with the first 8 bytes of its password") {
  const Vrrp vrrp = reference().vrrp;
  CHECK(vrrp.version == 2);
  CHECK(vrrp.advertisement_interval == 3s);
  CHECK(vrrp.pass == std::array<std::uint8_t, 8>{'p', 'a', 'p', 'a', 's', '_', 'c', 'o'});
  CHECK(vrrp.preempt);
  CHECK(vrrp.sync_wait == 60s);
}

TEST_CASE("the reference file gives one sync group of two virtual routers") {
  const SyncGroup group = reference().group;
  CHECK(group.name == "G1");
  REQUIRE(group.routers.size() == 2);
  CHECK(group.routers[0].name == "VI_1");
  CHECK(group.routers[0].interface == "eth1");
  CHECK(group.routers[0].id == 61);
  REQUIRE(group.routers[0].addresses.size() == 1);
  CHECK(group.routers[0].addresses[0].address == net("192.168.2.100/32"));
  CHECK(group.routers[1].name == "VI_2");
  CHECK(group.routers[1].interface == "eth0");
  CHECK(group.routers[1].id == 62);
  REQUIRE(group.routers[1].addresses.size() == 1);
  CHECK(group.routers[1].addresses[0].address == net("192.168.0.100/32"));
}

TEST_CASE("the reference file gives replication into the standby's kernel") {
  const Replication replication = reference().replication;
  CHECK(replication.interface == "eth2");
  CHECK(replication.port == 3780);
  CHECK(replication.key_file == "/etc/ftfw/replication.key");
  CHECK_FALSE(replication.insecure);
  CHECK(replication.standby == StandbyMode::kernel);
  CHECK(replication.protocols == std::vector<std::uint8_t>{6, 132, 33});
  CHECK(replication.expectations);
  CHECK(replication.parked_timeout == 24h);
  CHECK(replication.compare_interval == 60s);
  CHECK(replication.key_file_next.empty());
  CHECK(replication.further_links.empty());
  CHECK(replication.event_buffer_bytes == 64U << 20);
  CHECK_FALSE(replication.reliable_destroy);
  CHECK(replication.tcp_states.empty());
  CHECK(replication.excluded_networks.empty());
  CHECK(replication.minimum_age == 0s);
  CHECK(replication.compare_entries_per_second == 100'000);
  CHECK(replication.repair_entries_per_second == 20'000);
}

TEST_CASE("what travels, and how fast, is read") {
  std::string source = reference_text();
  const std::string before = "[replication]\n";
  source.insert(source.find(before) + before.size(),
                "tcp_states = [\"syn_sent\", \"established\", \"close\"]\n"
                "excluded_networks = [\"10.9.0.0/16\", \"2001:db8::7\"]\n"
                "minimum_age = \"2.5s\"\n"
                "compare_entries_per_second = 50000\n"
                "repair_entries_per_second = 100\n");
  const Replication replication = load(source).config.value().replication;
  CHECK(replication.tcp_states == std::vector<std::uint8_t>{1, 3, 8});
  CHECK(replication.excluded_networks == std::vector{net("10.9.0.0/16"), net("2001:db8::7/128")});
  CHECK(replication.minimum_age == 2500ms);
  CHECK(replication.compare_entries_per_second == 50'000);
  CHECK(replication.repair_entries_per_second == 100);
}

TEST_CASE("the standby may hold the flows in a cache") {
  std::string source = reference_text();
  const std::string kernel = "standby = \"kernel\"";
  source.replace(source.find(kernel), kernel.size(), "standby = \"cache\"");
  const Loaded loaded = load(source);
  REQUIRE(loaded.config.has_value());
  CHECK(loaded.config->replication.standby == StandbyMode::cache);
}

TEST_CASE("further links, a next key and the event buffer are read") {
  std::string source = reference_text();
  const std::string before = "[replication]\n";
  source.insert(source.find(before) + before.size(),
                "key_file_next = \"/etc/ftfw/next.key\"\n"
                "event_buffer = \"256 MiB\"\n"
                "reliable_destroy = true\n");
  source +=
      "\n[[replication.link]]\ninterface = \"eth3\"\n"
      "addresses = { fw-2 = \"fd00::200\", fw-1 = \"fd00::100\" }\n";
  const Loaded loaded = load(source);
  REQUIRE(loaded.config.has_value());
  const Replication& replication = loaded.config->replication;
  CHECK(replication.key_file_next == "/etc/ftfw/next.key");
  CHECK(replication.event_buffer_bytes == 256U << 20);
  CHECK(replication.reliable_destroy);
  REQUIRE(replication.further_links.size() == 1);
  CHECK(replication.further_links[0].interface == "eth3");
  // In the order of the nodes, not of the table.
  CHECK(replication.further_links[0].addresses == std::vector{ip("fd00::100"), ip("fd00::200")});

  std::string bytes = source;
  bytes.replace(bytes.find("\"256 MiB\""), 9, "2097152");
  CHECK(load(bytes).config.value().replication.event_buffer_bytes == 2U << 20);
}

TEST_CASE("the reference file gives the firewall's objects") {
  const Firewall firewall = reference().firewall;
  CHECK(firewall.forward_policy == ForwardPolicy::drop);
  CHECK(firewall.inside == "eth1");
  CHECK(firewall.outside == "eth0");
  REQUIRE(firewall.helpers.size() == 1);
  CHECK(firewall.helpers[0].name == "ftp-std");
  CHECK(firewall.helpers[0].type == "ftp");
  CHECK(firewall.helpers[0].protocol == 6);
  CHECK(firewall.helpers[0].port == 21);
  CHECK(firewall.helpers[0].server == net("192.168.0.3/32"));
  REQUIRE(firewall.counters.size() == 1);
  CHECK(firewall.counters[0].name == "counter_exp");
  REQUIRE(firewall.flowtables.size() == 1);
  CHECK(firewall.flowtables[0].name == "flow_exp");
  CHECK(firewall.flowtables[0].devices == std::vector<std::string>{"eth0"});
  CHECK(firewall.flowtables[0].counter == "counter_exp");
  CHECK(firewall.flowtables[0].mode == FlowtableMode::automatic);
  CHECK(firewall.log_invalid == "FORWARD-INVALID: ");
}

TEST_CASE("the reference file gives its allow rules and the source NAT in file order") {
  const Firewall firewall = reference().firewall;
  REQUIRE(firewall.rules.size() == 4);
  CHECK(firewall.rules[0].match.from.at(0).name == "eth1");
  CHECK(firewall.rules[0].match.protocols == std::vector<std::uint8_t>{6});
  CHECK(firewall.rules[0].match.ports.ranges ==
        std::vector<PortRange>{{21, 21}, {22, 22}, {80, 80}, {443, 443}});
  CHECK(firewall.rules[1].match.protocols == std::vector<std::uint8_t>{17});
  CHECK(firewall.rules[1].match.ports.ranges == std::vector<PortRange>{{53, 53}});
  CHECK(firewall.rules[2].helper == "ftp");
  CHECK(firewall.rules[2].match.protocols.empty());
  CHECK(firewall.rules[2].match.from.at(0).name == "eth1");
  CHECK(firewall.rules[3].match.from.empty());
  CHECK(firewall.rules[3].match.protocols == std::vector<std::uint8_t>{1});
  CHECK(firewall.rules[3].match.icmp_types == std::vector<std::uint8_t>{8});
  REQUIRE(firewall.rules[3].limit.has_value());
  CHECK(firewall.rules[3].limit->packets == 1);
  CHECK(firewall.rules[3].limit->per_seconds == 1);
  REQUIRE(firewall.snats.size() == 1);
  CHECK(firewall.snats[0].match.to.at(0).name == "eth0");
  CHECK(firewall.snats[0].match.source.ranges == std::vector<AddressRange>{range_of(ip("192.168.2.3"))});
  CHECK(firewall.snats[0].to == range_of(ip("192.168.0.100")));
}

TEST_CASE("the interfaces of the reference file are listed with what they are for") {
  const auto uses = interfaces_used(reference());
  std::vector<std::string> names;
  for (const InterfaceUse& use : uses) names.push_back(use.name);
  CHECK(names == std::vector<std::string>{"eth1", "eth0", "eth2", "eth1", "eth0", "eth0", "eth0"});
  CHECK(uses[0].used_for == "virtual router VI_1");
  CHECK(uses[2].used_for == "replication");
}

TEST_CASE("the example of a whole policy is read without a diagnostic and keeps the order of its rules") {
  const Loaded loaded = load(example_text("firewall.toml"));
  CHECK(loaded.diagnostics.empty());
  REQUIRE(loaded.config.has_value());
  const Firewall& firewall = loaded.config->firewall;
  CHECK(firewall.rules.front().verdict == Verdict::deny);
  CHECK(firewall.rules.front().log->level == LogLevel::info);
  CHECK(firewall.rules.back().verdict == Verdict::reject);
  CHECK(firewall.rules.back().match.from.size() == 2);
  CHECK(firewall.groups.size() == 3);
  CHECK(firewall.dnats.at(0).to == range_of(ip("192.168.3.10")));
  CHECK(firewall.input->reverse_path == ReversePath::strict);
  CHECK(firewall.services.size() == 2);
}

TEST_CASE("an element file is read by the reader of the caller, and without one it is an error") {
  const std::string text = example_text("firewall.toml") +
                           "[[firewall.group]]\nname = \"many\"\ntype = \"networks\"\nfile = \"/many\"\n"
                           "[[firewall.deny]]\nsource = \"@many\"\n";
  const Loaded loaded =
      load(text, [](const std::string& path) -> Result<std::string> { return path + " # a comment"; });
  CHECK_FALSE(loaded.config.has_value());  // "/many" is no network
  const Loaded good = load(text, [](const std::string&) -> Result<std::string> {
    return "10.0.0.0/25\n10.0.0.128/25 # touches\r\n\n# nothing\n10.9.0.1";
  });
  REQUIRE(good.config.has_value());
  CHECK(good.config->firewall.groups.back().addresses ==
        std::vector<AddressRange>{range_of(net("10.0.0.0/24")), range_of(ip("10.9.0.1"))});
  CHECK(load(text).diagnostics.at(0).text == "element files cannot be read here");
}

TEST_CASE("the example of three nodes is read without a diagnostic, in its order") {
  const Loaded loaded = load(example_text("three-nodes.toml"));
  CHECK(loaded.diagnostics.empty());
  REQUIRE(loaded.config.has_value());
  REQUIRE(loaded.config->nodes.size() == 3);
  CHECK(loaded.config->nodes[2].name == "fw-3");
  CHECK(loaded.config->nodes[2].replication_address == ip("192.168.100.210"));
}

TEST_CASE("the example of both families is read without a diagnostic") {
  CHECK(load(example_text("dual-stack.toml")).diagnostics.empty());
}

TEST_CASE("the example of both families gives the timing, the preference and the announcements") {
  const Vrrp vrrp = dual_stack().vrrp;
  CHECK(vrrp.missed_advertisements == 3);
  CHECK(vrrp.checksum == ChecksumForm::pseudo_header);
  CHECK(vrrp.preempt_delay == 30s);
  CHECK(vrrp.startup_delay == 5s);
  CHECK(vrrp.announcements.repeats == 5);
  CHECK(vrrp.announcements.spacing == 20ms);
  CHECK(vrrp.announcements.second_burst == 5s);
  CHECK(vrrp.announcements.refresh == 60s);
  CHECK(vrrp.announcements.arp == ArpForm::both);
}

TEST_CASE("the example of both families gives one router per family with the same id") {
  const SyncGroup group = dual_stack().group;
  REQUIRE(group.routers.size() == 3);
  const VirtualRouter& ipv4 = group.routers[0];
  const VirtualRouter& ipv6 = group.routers[1];
  CHECK(ipv4.family() == Family::ipv4);
  CHECK(ipv6.family() == Family::ipv6);
  CHECK(ipv4.interface == ipv6.interface);
  CHECK(ipv4.id == ipv6.id);
  REQUIRE(ipv4.addresses.size() == 2);
  CHECK(ipv4.addresses[0].address == net("192.168.2.100/24"));
  CHECK(ipv4.addresses[0].label == "eth1:gw");
  CHECK(ipv4.addresses[0].scope == AddressScope::global);
  CHECK(ipv4.addresses[1].label.empty());
  CHECK(ipv4.up_delay == 2s);
  REQUIRE(ipv6.addresses.size() == 2);
  CHECK(ipv6.addresses[0].address == net("fe80::1/64"));
  CHECK(ipv6.address_interface() == "eth1");
}

TEST_CASE("the example of both families gives a virtual MAC, excluded addresses and allowed sources") {
  const VirtualRouter router = dual_stack().group.routers.at(2);
  CHECK(router.virtual_mac_interface == "vrrp.62");
  CHECK(router.address_interface() == "vrrp.62");
  REQUIRE(router.excluded_addresses.size() == 2);
  CHECK(router.excluded_addresses[0].address == net("fd00::100/64"));
  CHECK(router.excluded_addresses[1].address == net("192.168.0.102/32"));
  CHECK(router.excluded_addresses[1].scope == AddressScope::link);
  CHECK(router.allowed_sources == std::vector<IpAddress>{ip("192.168.0.1"), ip("192.168.0.2")});
  CHECK(router.unicast.empty());
}

TEST_CASE("the example of both families gives what is tracked and what is routed") {
  const SyncGroup group = dual_stack().group;
  REQUIRE(group.tracked_interfaces.size() == 1);
  CHECK(group.tracked_interfaces[0].interface == "eth3");
  CHECK(group.tracked_interfaces[0].weight == -60);
  CHECK(group.tracked_interfaces[0].up_delay == 2s);
  REQUIRE(group.tracked_files.size() == 1);
  CHECK(group.tracked_files[0].path == "/var/lib/ftfw/maintenance");
  CHECK(group.tracked_files[0].weight == -100);
  REQUIRE(group.routes.size() == 2);
  CHECK(group.routes[0].to == net("0.0.0.0/0"));
  CHECK(group.routes[0].via == ip("192.168.0.254"));
  CHECK(group.routes[0].interface.empty());
  CHECK(group.routes[0].source == ip("192.168.0.100"));
  CHECK(group.routes[0].table == 254);
  CHECK(group.routes[0].metric == 10);
  CHECK_FALSE(group.routes[0].mtu.has_value());
  CHECK(group.routes[1].to == net("::/0"));
  CHECK(group.routes[1].via == ip("fe80::ff"));
  CHECK(group.routes[1].interface == "eth0");
  CHECK(group.routes[1].mtu == 1400);
}

TEST_CASE("tracked and routed interfaces are listed with what they are for, those of virtual MACs are not") {
  const auto uses = interfaces_used(dual_stack());
  const auto use_of = [&](std::string_view name, std::string_view purpose) {
    return std::ranges::any_of(
        uses, [&](const InterfaceUse& use) { return use.name == name && use.used_for == purpose; });
  };
  CHECK(use_of("eth3", "tracking"));
  CHECK(use_of("eth0", "the route to ::/0"));
  CHECK(std::ranges::find(uses, "vrrp.62", &InterfaceUse::name) == uses.end());
  CHECK(std::ranges::is_sorted(uses, {}, &InterfaceUse::where));
}

TEST_CASE("a default route without a next router is one of IPv4") {
  std::string text(kSmallest);
  text += "[[sync_group.route]]\nto = \"default\"\ninterface = \"wan\"\n";
  // TOML appends to the last [[sync_group]] wherever the section stands.
  const Loaded loaded = load(text);
  REQUIRE(loaded.config.has_value());
  CHECK(loaded.config->group.routes.at(0).to == net("0.0.0.0/0"));
}

TEST_CASE("the interface of an IPv6 router's virtual MAC has a name of its own") {
  std::string text(kSmallest);
  text.replace(text.find("[\"10.1.0.1/24\"]"), 15, "[\"fe80::1\"]\nvirtual_mac = true");
  const Loaded loaded = load(text);
  REQUIRE(loaded.config.has_value());
  CHECK(loaded.config->group.routers.at(0).virtual_mac_interface == "vrrp6.1");
}

TEST_CASE("IPv6 virtual routers are accepted beside version 2") {
  std::string text(kSmallest);
  text.replace(text.find("[\"10.1.0.1/24\"]"), 15, "[\"fe80::1\"]");
  text += "[vrrp]\nversion = 2\n";
  const Loaded loaded = load(text);
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.config.has_value());
}

TEST_CASE("what a file leaves out has a working default") {
  const Loaded loaded = load(kSmallest);
  REQUIRE(loaded.diagnostics.empty());
  const Config& config = loaded.config.value();
  CHECK(config.vrrp.version == 3);
  CHECK(config.vrrp.advertisement_interval == 1s);
  CHECK_FALSE(config.vrrp.pass.has_value());
  CHECK(config.group.name == "group");
  CHECK(config.group.routers.at(0).name == "lan-1");
  CHECK(config.group.routers.at(0).addresses.at(0).address == net("10.1.0.1/24"));
  CHECK(config.group.routers.at(0).virtual_mac_interface.empty());
  CHECK(config.group.routers.at(0).up_delay == 0s);
  CHECK(config.group.tracked_files.empty());
  CHECK(config.vrrp.missed_advertisements == 3);
  CHECK(config.vrrp.checksum == ChecksumForm::pseudo_header);
  CHECK(config.vrrp.announcements.arp == ArpForm::request);
  CHECK(config.replication.insecure);
  CHECK(config.replication.key_file.empty());
  CHECK(config.replication.port == 3780);
  CHECK(config.replication.protocols.empty());
  CHECK(config.replication.standby == StandbyMode::kernel);
  CHECK(config.firewall.forward_policy == ForwardPolicy::drop);
  CHECK(config.firewall.log_invalid.empty());
}

TEST_CASE("keys beyond the reference file are read") {
  std::string text(kSmallest);
  text.replace(text.find("[node.a]"), 0, "on_exit = \"open\"\n");
  text.replace(text.find("insecure"), 0,
               "expectations = false\nprotocols = [\"udp\", 47]\nparked_timeout = \"2h\"\ncompare_interval = "
               "\"5min\"\n");
  text += "forward_policy = \"accept\"\ncounters = true\nrepair = false\n";
  text += "[[firewall.allow]]\nfrom = \"dmz\"\nprotocol = 50\nlimit = \"30/minute\"\n";
  text += "[[firewall.helper]]\nname = \"t\"\ntype = \"tftp\"\n";
  text += "[[firewall.flowtable]]\nname = \"f\"\ndevices = [\"lan\", \"wan\"]\nmode = \"require\"\n";
  text += "[vrrp]\nversion = 3\nadvertisement_interval = \"40.95s\"\npreempt = false\nsync_wait = \"0s\"\n";
  text += "checksum = \"rfc9568\"\nmissed_advertisements = 100\n";
  text +=
      "[vrrp.announcements]\nspacing = \"0s\"\nsecond_burst = \"0s\"\nrefresh = \"0s\"\narp = \"reply\"\n";
  text += "[[sync_group.track_interface]]\ninterface = \"dmz\"\n";
  text += "[[sync_group.track_file]]\nfile = \"/run/x\"\n";

  const Loaded loaded = load(text);

  REQUIRE(loaded.config.has_value());
  const Config& config = *loaded.config;
  CHECK(config.on_exit == OnExit::open);
  CHECK(config.vrrp.advertisement_interval == 40950ms);
  CHECK_FALSE(config.vrrp.preempt);
  CHECK(config.vrrp.sync_wait == 0s);
  CHECK(config.vrrp.checksum == ChecksumForm::message_only);
  CHECK(config.vrrp.missed_advertisements == 100);
  CHECK(config.vrrp.announcements.spacing == 0s);
  CHECK(config.vrrp.announcements.second_burst == 0s);
  CHECK(config.vrrp.announcements.refresh == 0s);
  CHECK(config.vrrp.announcements.arp == ArpForm::reply);
  CHECK_FALSE(config.group.tracked_interfaces.at(0).weight.has_value());
  CHECK(config.group.tracked_files.at(0).weight == 1);
  CHECK_FALSE(config.replication.expectations);
  CHECK(config.replication.protocols == std::vector<std::uint8_t>{17, 47});
  CHECK(config.replication.parked_timeout == 2h);
  CHECK(config.replication.compare_interval == 5min);
  CHECK(config.firewall.forward_policy == ForwardPolicy::accept);
  CHECK(config.firewall.count_rules);
  CHECK_FALSE(config.firewall.repair);
  CHECK(config.firewall.rules.at(0).match.from.at(0).name == "dmz");
  CHECK(config.firewall.rules.at(0).match.protocols == std::vector<std::uint8_t>{50});
  CHECK(config.firewall.rules.at(0).limit->per_seconds == 60);
  CHECK(config.firewall.helpers.at(0).protocol == 17);
  CHECK(config.firewall.helpers.at(0).port == 69);
  CHECK_FALSE(config.firewall.helpers.at(0).server.has_value());
  CHECK(config.firewall.flowtables.at(0).mode == FlowtableMode::require);
  CHECK(config.firewall.flowtables.at(0).counter.empty());
}

TEST_CASE("diagnostics come in file order whatever the section") {
  std::string text(kSmallest);
  text += "colour = 1\n[vrrp]\nversion = 9\n";
  text.replace(text.find("id = 1"), 6, "id = 0");

  const Loaded loaded = load(text);

  REQUIRE(loaded.diagnostics.size() == 3);
  CHECK(std::ranges::is_sorted(loaded.diagnostics, {}, &Diagnostic::where));
}

}  // namespace
}  // namespace ftfw::config
