#include "tests/unit/firewall/constructs.hpp"

#include <stdexcept>

#include "config/load.hpp"

namespace ftfw::firewall::test {
namespace {

constexpr const char* kPair = R"(
schema = 1
[node.fw-1]
priority = 150
replication_address = "192.168.100.100"
[node.fw-2]
replication_address = "192.168.100.200"
[vrrp]
[[sync_group]]
[[sync_group.virtual_router]]
interface = "eth1"
id = 61
addresses = ["192.168.2.100"]
[[sync_group.virtual_router]]
interface = "eth0"
id = 62
addresses = ["192.168.0.100"]
[replication]
interface = "eth2"
key_file = "/etc/ftfw/replication.key"
[firewall]
inside = "eth1"
outside = "eth0"
)";

const std::vector<Construct> kConstructs{
    // ---- interfaces and addresses
    {"interfaces, in and out", R"([[firewall.allow]]
from = ["eth3", "eth1"]
to = "eth0"
protocol = "any")",
     "ftfw", "forward", R"(iifname { "eth1", "eth3" } oifname "eth0" ct state new accept
)"},
    {"a deny begins anywhere unless it says where", R"([[firewall.deny]]
source = "203.0.113.7")",
     "ftfw", "forward", "ip saddr 203.0.113.7 drop\n"},
    {"a host, a network, a range", R"([[firewall.deny]]
source = "10.0.0.0/8"
destination = "192.168.0.3-192.168.0.9"
[[firewall.deny]]
destination = "fd00::/64")",
     "ftfw", "forward",
     "ip saddr 10.0.0.0/8 ip daddr 192.168.0.3-192.168.0.9 drop\nip6 daddr fd00::/64 drop\n"},
    {"hosts are a set, networks an interval set", R"([[firewall.deny]]
source = ["192.0.2.9", "192.0.2.8"]
[[firewall.deny]]
source = ["10.0.0.0/8", "192.168.0.0/25", "192.168.0.128/25", "192.0.2.1"])",
     "ftfw", "forward",
     "ip saddr { 192.0.2.8, 192.0.2.9 } drop\nip saddr { 10.0.0.0/8, 192.0.2.1, 192.168.0.0/24 } drop\n"},
    {"both families in one rule", R"([[firewall.allow]]
source = ["192.168.2.0/24", "fd00:2::/64"]
destination = ["192.168.0.3", "fd00::3"]
protocol = "tcp"
ports = [443])",
     "ftfw", "forward",
     R"(iifname "eth1" ip saddr 192.168.2.0/24 ip daddr 192.168.0.3 tcp dport 443 tcp flags syn ct state new accept
iifname "eth1" ip6 saddr fd00:2::/64 ip6 daddr fd00::3 tcp dport 443 tcp flags syn ct state new accept
)"},
    {"every address of a family", R"([[firewall.deny]]
source = "0.0.0.0/0"
[[firewall.deny]]
source = "::/0"
protocol = "udp")",
     "ftfw", "forward", "meta nfproto ipv4 drop\nmeta nfproto ipv6 meta l4proto udp drop\n"},
    // ---- groups
    {"named groups, one set for each family", R"([[firewall.group]]
name = "admins"
type = "hosts"
elements = ["192.168.2.4", "192.168.2.3", "fd00:2::3"]
[[firewall.group]]
name = "blocked"
type = "networks"
elements = ["198.51.100.0/24", "203.0.113.7", "203.0.113.8-203.0.113.20", "2001:db8::/32"]
[[firewall.group]]
name = "web"
type = "ports"
elements = [80, 443, "8000-8080"]
[[firewall.deny]]
source = "@blocked"
[[firewall.allow]]
source = ["@admins", "192.168.2.128/25"]
protocol = "tcp"
ports = "@web")",
     "ftfw", "forward", R"(ip saddr @blocked_v4 drop
ip6 saddr @blocked_v6 drop
iifname "eth1" ip saddr 192.168.2.128/25 tcp dport @web tcp flags syn ct state new accept
iifname "eth1" ip saddr @admins_v4 tcp dport @web tcp flags syn ct state new accept
iifname "eth1" ip6 saddr @admins_v6 tcp dport @web tcp flags syn ct state new accept
)"},
    {"intervals at both ends of the space", R"([[firewall.group]]
name = "edges"
type = "networks"
elements = ["0.0.0.0/8", "224.0.0.0/3", "::/16", "ff00::/8"]
[[firewall.group]]
name = "high"
type = "ports"
elements = ["1-1023", "65000-65535"]
[[firewall.deny]]
source = ["0.0.0.0/8", "255.255.255.255"]
[[firewall.deny]]
source = "@edges"
protocol = "udp"
ports = "@high"
[[firewall.deny]]
protocol = "udp"
source_ports = ["1-1023", "65000-65535"])",
     "ftfw", "forward", R"(ip saddr { 0.0.0.0/8, 255.255.255.255 } drop
ip saddr @edges_v4 udp dport @high drop
ip6 saddr @edges_v6 udp dport @high drop
udp sport { 1-1023, 65000-65535 } drop
)"},
    // ---- protocols, ports, types, flags
    {"several protocols, source ports, ranges of ports", R"([[firewall.allow]]
protocol = ["tcp", "udp"]
source_ports = ["1024-65535"]
ports = [53, "5000-5100"])",
     "ftfw", "forward",
     R"(iifname "eth1" tcp sport 1024-65535 tcp dport { 53, 5000-5100 } tcp flags syn ct state new accept
iifname "eth1" udp sport 1024-65535 udp dport { 53, 5000-5100 } ct state new accept
)"},
    {"ICMP and ICMPv6 by one name", R"([[firewall.allow]]
protocol = ["icmp", "icmpv6"]
types = ["echo-request", "time-exceeded"]
limit = "5/second burst 10")",
     "ftfw", "forward",
     R"(iifname "eth1" icmp type { echo-request, time-exceeded } limit rate 5/second burst 10 packets accept
iifname "eth1" icmpv6 type { time-exceeded, echo-request } limit rate 5/second burst 10 packets accept
)"},
    {"ICMPv6 types and all of ICMPv6", R"([[firewall.allow]]
from = "any"
protocol = "icmpv6"
types = ["packet-too-big"]
[[firewall.deny]]
protocol = "icmpv6"
source = "fd00::/64")",
     "ftfw", "forward",
     "icmpv6 type packet-too-big accept\nip6 saddr fd00::/64 meta l4proto ipv6-icmp drop\n"},
    {"TCP flags", R"([[firewall.deny]]
protocol = "tcp"
tcp_flags = "fin,syn"
[[firewall.deny]]
protocol = "tcp"
tcp_flags = "none / fin,syn,rst,ack"
[[firewall.allow]]
protocol = "tcp"
ports = [25]
tcp_flags = "syn / syn,ack"
[[firewall.deny]]
protocol = "tcp"
tcp_flags = "urg")",
     "ftfw", "forward", R"(tcp flags fin,syn / fin,syn drop
tcp flags ! fin,syn,rst,ack drop
iifname "eth1" tcp dport 25 tcp flags syn / syn,ack ct state new accept
tcp flags urg drop
)"},
    // ---- marks and states
    {"marks of packets and of flows", R"([[firewall.deny]]
mark = 16
[[firewall.deny]]
mark = "0x10/0xff"
[[firewall.deny]]
connection_mark = "0x2/0x3")",
     "ftfw", "forward",
     "meta mark 0x00000010 drop\nmeta mark & 0x000000ff == 0x00000010 drop\nct mark & 0x00000003 == "
     "0x00000002 drop\n"},
    {"connection states", R"([[firewall.deny]]
state = ["invalid", "untracked"]
[[firewall.allow]]
from = "any"
protocol = ["icmp", "icmpv6"]
state = "related")",
     "ftfw", "forward", R"(ct state invalid,untracked drop
meta l4proto icmp ct state related accept
meta l4proto ipv6-icmp ct state related accept
)"},
    {"the connections that a helper expects", R"([[firewall.helper]]
name = "sip-udp"
type = "sip"
protocol = "udp"
[[firewall.allow]]
from = "any"
source = "192.168.2.0/24"
helper = "sip")",
     "ftfw", "forward", "ip saddr 192.168.2.0/24 ct state related ct helper \"sip\" accept\n"},
    // ---- statements
    {"limits, logs, counters, comments", R"([[firewall.counter]]
name = "denied"
[[firewall.deny]]
protocol = "udp"
limit = "over 100/second burst 200"
counter = "denied"
[[firewall.deny]]
source = "203.0.113.7"
log = { prefix = "SPOOFED: ", level = "info" }
comment = "ticket 4711"
[[firewall.deny]]
source = "203.0.113.8"
log = { prefix = "DENIED: ", limit = "10/minute" }
counter = "denied")",
     "ftfw", "forward",
     R"(meta l4proto udp limit rate over 100/second burst 200 packets counter name "denied" drop
ip saddr 203.0.113.7 log prefix "SPOOFED: " level info drop comment "ticket 4711"
ip saddr 203.0.113.8 limit rate 10/minute log prefix "DENIED: "
ip saddr 203.0.113.8 counter name "denied" drop
)"},
    {"rejects", R"([[firewall.reject]]
protocol = ["tcp", "udp"]
[[firewall.reject]]
source = ["203.0.113.7", "fd00::7"]
[[firewall.reject]]
with = "admin-prohibited"
log = "REJECTED: "
[[firewall.reject]]
with = "no-route"
protocol = "udp"
[[firewall.reject]]
with = "host-unreachable"
[[firewall.reject]]
with = "tcp-reset"
protocol = "tcp"
ports = [113])",
     "ftfw", "forward", R"(meta l4proto tcp reject with tcp reset
meta l4proto udp reject
ip saddr 203.0.113.7 reject with icmp port-unreachable
ip6 saddr fd00::7 reject with icmpv6 port-unreachable
log prefix "REJECTED: " reject with icmpx admin-prohibited
meta l4proto udp reject with icmpx no-route
reject with icmpx host-unreachable
tcp dport 113 reject with tcp reset
)"},
    {"the order of the file, whatever the verdicts", R"([[firewall.deny]]
source = "192.168.2.66"
[[firewall.allow]]
protocol = "udp"
[[firewall.reject]]
protocol = "tcp"
ports = [25]
[[firewall.allow]]
protocol = "tcp")",
     "ftfw", "forward", R"(ip saddr 192.168.2.66 drop
iifname "eth1" meta l4proto udp ct state new accept
tcp dport 25 reject with tcp reset
iifname "eth1" tcp flags syn ct state new accept
)"},
    // ---- address translation
    {"source NAT to ranges, ports, by groups", R"([[firewall.group]]
name = "guests"
type = "networks"
elements = ["192.168.3.0/24", "192.168.9.0/24"]
[[firewall.snat]]
out = ["eth0", "eth4"]
source = ["192.168.2.0/24", "@guests"]
to = "192.168.0.100"
[[firewall.snat]]
out = "eth0"
source = "any"
destination = "192.168.0.3"
protocol = "tcp"
ports = [80]
to = "192.168.0.100"
to_ports = "1024-65535"
[[firewall.snat]]
out = "eth3"
source = "fd00:2::/64"
to = "fd00:3::1-fd00:3::9"
[[firewall.masquerade]]
out = "ppp0"
source = "192.168.2.0/24"
protocol = "udp"
to_ports = "1024-65535"
[[firewall.masquerade]]
out = "ppp0")",
     "nat", "postrouting", R"(oifname { "eth0", "eth4" } ip saddr 192.168.2.0/24 snat ip to 192.168.0.100
oifname { "eth0", "eth4" } ip saddr @guests_v4 snat ip to 192.168.0.100
oifname "eth0" ip daddr 192.168.0.3 tcp dport 80 snat ip to 192.168.0.100:1024-65535
oifname "eth3" ip6 saddr fd00:2::/64 snat ip6 to fd00:3::1-fd00:3::9
oifname "ppp0" ip saddr 192.168.2.0/24 meta l4proto udp masquerade to :1024-65535
oifname "ppp0" masquerade
)"},
    {"destination NAT and redirects", R"([[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [80, 443]
to = "192.168.2.3"
[[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [8443]
to = "192.168.2.3"
to_ports = 443
[[firewall.dnat]]
from = "any"
destination = "fd00::100"
protocol = "udp"
ports = [53]
to = "fd00:2::3"
to_ports = "5353-5354"
[[firewall.redirect]]
from = "eth1"
protocol = "tcp"
ports = [80]
to_ports = 3128
comment = "proxy")",
     "nat", "prerouting",
     R"(iifname "eth0" ip daddr 192.168.0.100 tcp dport { 80, 443 } dnat ip to 192.168.2.3
iifname "eth0" ip daddr 192.168.0.100 tcp dport 8443 dnat ip to 192.168.2.3:443
ip6 daddr fd00::100 udp dport 53 dnat ip6 to [fd00:2::3]:5353-5354
iifname "eth1" tcp dport 80 redirect to :3128 comment "proxy"
)"},
    {"destination NAT brings its allow along, at its place", R"([[firewall.deny]]
source = "203.0.113.7"
[[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [8443]
to = "192.168.2.3"
to_ports = 443
[[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [25]
to = "192.168.2.4"
allow = false
[[firewall.reject]]
from = "eth0")",
     "ftfw", "forward", R"(ip saddr 203.0.113.7 drop
iifname "eth0" ip daddr 192.168.2.3 tcp dport 443 tcp flags syn ct status dnat ct state new accept
iifname "eth0" reject
)"},
    // ---- the firewall itself
    {"the protection of the firewall itself", R"([firewall.input]
[[firewall.service]]
from = ["eth1", "eth2"]
source = "192.168.2.0/24"
protocol = "tcp"
ports = [22])",
     "ftfw_input", "input", R"(iifname "lo" accept
iifname { "eth0", "eth1" } meta l4proto vrrp accept
iifname "eth2" ip saddr { 192.168.100.100, 192.168.100.200 } udp dport 3780 accept
icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
meta l4proto igmp accept
ct state invalid drop
ct state established,related accept
icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
icmp type echo-request limit rate 10/second accept
icmpv6 type echo-request limit rate 10/second accept
iifname { "eth1", "eth2" } ip saddr 192.168.2.0/24 tcp dport 22 tcp flags syn ct state new accept
drop
)"},
    {"all keys of the protection", R"([firewall.input]
drop_invalid = false
reverse_path = "strict"
syn_limit = "100/second burst 50"
ping = "off"
log = { prefix = "INPUT: ", limit = "1/second" }
[[firewall.counter]]
name = "logins"
[[firewall.group]]
name = "admins"
type = "hosts"
elements = ["192.168.2.3"]
[[firewall.service]]
source = "@admins"
protocol = "tcp"
ports = [22]
counter = "logins"
[[firewall.redirect]]
from = "eth1"
protocol = "tcp"
ports = [80]
to_ports = 3128)",
     "ftfw_input", "input", R"(iifname "lo" accept
iifname { "eth0", "eth1" } meta l4proto vrrp accept
iifname "eth2" ip saddr { 192.168.100.100, 192.168.100.200 } udp dport 3780 accept
icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
meta l4proto igmp accept
fib saddr . iif oif missing drop
ct state established,related accept
icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
tcp flags syn / fin,syn,rst,ack limit rate over 100/second burst 50 packets drop
iifname "eth1" ip saddr @admins_v4 tcp dport 22 tcp flags syn ct state new counter name "logins" accept
iifname "eth1" tcp dport 3128 tcp flags syn ct status dnat ct state new accept
limit rate 1/second log prefix "INPUT: "
drop
)"},
    {"a loose reverse path", R"([firewall.input]
reverse_path = "loose"
ping = "1/second"
[[firewall.service]]
from = "any"
protocol = "udp"
ports = [161])",
     "ftfw_input", "input", R"(iifname "lo" accept
iifname { "eth0", "eth1" } meta l4proto vrrp accept
iifname "eth2" ip saddr { 192.168.100.100, 192.168.100.200 } udp dport 3780 accept
icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
meta l4proto igmp accept
ct state invalid drop
fib saddr oif missing drop
ct state established,related accept
icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
icmp type echo-request limit rate 1/second accept
icmpv6 type echo-request limit rate 1/second accept
udp dport 161 ct state new accept
drop
)"},
};

}  // namespace

const std::vector<Construct>& constructs() {
  return kConstructs;
}

config::Config config_of(const std::string& policy) {
  const std::string text = kPair + policy + "\n";
  config::Loaded loaded = config::load(text);
  if (loaded.config) return *std::move(loaded.config);
  std::string why;
  for (const config::Diagnostic& one : loaded.diagnostics) why += config::render_text(one, "policy", text);
  throw std::runtime_error(why);
}

}  // namespace ftfw::firewall::test
