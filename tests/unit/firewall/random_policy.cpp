#include "tests/unit/firewall/random_policy.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ftfw::firewall::test {

const std::vector<std::string> kClients{"192.168.2.3",   "192.168.2.4", "192.168.2.5",
                                        "192.168.2.130", "10.0.0.1",    "10.0.0.2"};
const std::vector<std::string> kServers{"192.168.0.3", "192.168.0.4", "192.168.0.5", "203.0.113.7",
                                        "203.0.113.8"};
const std::vector<std::string> kClients6{"fd00:2::3", "fd00:2::4"};
const std::vector<std::string> kServers6{"fd00:1::3", "2001:db8::7"};
const std::vector<std::uint16_t> kPorts{21, 22, 53, 80, 443, 5050, 8080, 40000};

namespace {

const std::vector<std::string> kNetworks{"192.168.2.0/24",
                                         "192.168.2.0/25",
                                         "10.0.0.0/8",
                                         "192.168.0.0/24",
                                         "203.0.113.0/24",
                                         "192.168.0.0/16",
                                         "0.0.0.0/0",
                                         "::/0",
                                         "fd00:2::/64",
                                         "2001:db8::/32",
                                         "192.168.2.3-192.168.2.4",
                                         "203.0.113.7-203.0.113.8",
                                         "fd00:1::2-fd00:1::9"};
const std::vector<std::string> kPortTexts{
    "21", "22", "53", "80", "443", "8080", "\"1-1023\"", "\"80-8080\"", "\"5000-5100\"", "\"1024-65535\""};

class Writer {
 public:
  explicit Writer(Dice& dice) : dice_(dice) {}

  std::string write() {
    if (dice_.chance(15)) text_ += "forward_policy = \"accept\"\n";
    if (dice_.chance(40)) text_ += "established = \"first\"\n";
    write_groups();
    helper_ = dice_.chance(50);
    if (helper_) text_ += "[[firewall.helper]]\nname = \"ftp-any\"\ntype = \"ftp\"\n";
    text_ += "[[firewall.counter]]\nname = \"counted\"\n";
    for (std::uint32_t rules = 1 + dice_.below(8); rules > 0; --rules) {
      if (dice_.chance(12)) write_dnat();
      write_rule(dice_.pick({"allow", "allow", "allow", "deny", "reject"}));
    }
    for (std::uint32_t nats = dice_.below(3); nats > 0; --nats) write_snat();
    if (dice_.chance(30)) write_dnat();
    if (dice_.chance(15)) write_redirect();
    if (dice_.chance(40)) write_input();
    if (dice_.chance(30)) text_ += "[firewall.log]\ninvalid = \"INVALID: \"\n";
    return std::move(text_);
  }

 private:
  void write_groups() {
    for (std::uint32_t count = dice_.below(3); count > 0; --count) {
      const bool hosts = dice_.chance(50);
      groups_.push_back(fmt::format("g{}", count));
      text_ += fmt::format("[[firewall.group]]\nname = \"{}\"\ntype = \"{}\"\nelements = [", groups_.back(),
                           hosts ? "hosts" : "networks");
      for (std::uint32_t element = 1 + dice_.below(4); element > 0; --element)
        text_ += fmt::format("\"{}\", ", hosts ? host() : dice_.pick(kNetworks));
      text_ += "]\n";
    }
    ports_group_ = dice_.chance(40);
    if (ports_group_)
      text_ += fmt::format("[[firewall.group]]\nname = \"ports\"\ntype = \"ports\"\nelements = [{}, {}]\n",
                           dice_.pick(kPortTexts), dice_.pick(kPortTexts));
  }

  std::string host() {
    return dice_.pick(dice_.chance(70) ? (dice_.chance(50) ? kClients : kServers)
                                       : (dice_.chance(50) ? kClients6 : kServers6));
  }

  std::string addresses() {
    std::string list = "[";
    std::vector<std::string> seen;
    for (std::uint32_t element = 1 + dice_.below(3); element > 0; --element) {
      const bool group = !groups_.empty() && dice_.chance(30);
      std::string one = group ? "@" + dice_.pick(groups_) : dice_.chance(50) ? host() : dice_.pick(kNetworks);
      if (std::ranges::find(seen, one) != seen.end()) continue;
      list += fmt::format("\"{}\", ", one);
      seen.push_back(std::move(one));
    }
    return list + "]";
  }

  std::string ports() {
    if (ports_group_ && dice_.chance(30)) return "\"@ports\"";
    const std::string& first = dice_.pick(kPortTexts);
    const std::string& second = dice_.pick(kPortTexts);
    return first == second ? fmt::format("[{}]", first) : fmt::format("[{}, {}]", first, second);
  }

  void write_places() {
    if (dice_.chance(50))
      text_ +=
          fmt::format("from = {}\n", dice_.pick({"\"eth1\"", "\"eth0\"", "\"any\"", "[\"eth1\", \"eth0\"]"}));
    if (dice_.chance(20)) text_ += fmt::format("to = {}\n", dice_.pick({"\"eth1\"", "\"eth0\""}));
  }

  void write_addresses() {
    if (dice_.chance(35)) text_ += "source = " + addresses() + "\n";
    if (dice_.chance(35)) text_ += "destination = " + addresses() + "\n";
  }

  // Returns the protocol as it stands there; empty: none.
  std::string write_protocol(bool needed) {
    if (!needed && dice_.chance(40)) return {};
    const std::string protocol =
        dice_.pick({"\"tcp\"", "\"tcp\"", "\"udp\"", "[\"tcp\", \"udp\"]", "\"icmp\"", "\"icmpv6\"",
                    "[\"icmp\", \"icmpv6\"]", "\"any\"", "\"gre\"", "200", "[\"tcp\", \"icmp\"]"});
    text_ += "protocol = " + protocol + "\n";
    const bool with_ports =
        protocol == "\"tcp\"" || protocol == "\"udp\"" || protocol == "[\"tcp\", \"udp\"]";
    if (with_ports && dice_.chance(55)) text_ += "ports = " + ports() + "\n";
    if (with_ports && dice_.chance(10)) text_ += "source_ports = " + ports() + "\n";
    const bool with_types = protocol.starts_with("\"icmp") || protocol.starts_with("[\"icmp\"");
    if (with_types && dice_.chance(60))
      text_ += fmt::format("types = [{}]\n",
                           dice_.pick({"\"echo-request\"", "\"echo-reply\"", "\"destination-unreachable\"",
                                       "\"echo-request\", \"echo-reply\"", "\"time-exceeded\""}));
    return protocol;
  }

  void write_rule(const std::string& verdict) {
    text_ += fmt::format("[[firewall.{}]]\n", verdict);
    write_places();
    write_addresses();
    const bool allow = verdict == "allow";
    std::string protocol;
    if (allow && helper_ && dice_.chance(12)) {
      text_ += "helper = \"ftp\"\n";
    } else {
      protocol = write_protocol(allow);
    }
    if (protocol == "\"tcp\"" && dice_.chance(15))
      text_ +=
          fmt::format("tcp_flags = \"{}\"\n",
                      dice_.pick({"syn", "ack", "syn / syn,ack", "none / syn,ack", "fin,ack", "none / fin"}));
    if (dice_.chance(8))
      text_ += fmt::format("mark = {}\n", dice_.pick({"1", "2", "\"0x2/0x2\"", "\"0/0x1\""}));
    if (dice_.chance(8))
      text_ += fmt::format("connection_mark = {}\n", dice_.pick({"1", "\"0x2/0x2\"", "0"}));
    if (dice_.chance(15))
      text_ += fmt::format("state = {}\n", dice_.pick({"\"new\"", "[\"new\", \"established\"]", "\"related\"",
                                                       "[\"established\", \"related\"]", "\"invalid\"",
                                                       "[\"invalid\", \"untracked\"]", "\"untracked\""}));
    if (dice_.chance(8))
      text_ += allow ? "limit = \"5/second burst 3\"\n" : "limit = \"over 2/second burst 1\"\n";
    if (dice_.chance(10)) text_ += "log = { prefix = \"X: \", limit = \"1/second\" }\n";
    if (dice_.chance(10)) text_ += "counter = \"counted\"\n";
    if (verdict == "reject" && dice_.chance(40))
      text_ += fmt::format("with = \"{}\"\n", protocol == "\"tcp\"" && dice_.chance(40)
                                                  ? "tcp-reset"
                                                  : dice_.pick({"port-unreachable", "host-unreachable",
                                                                "no-route", "admin-prohibited"}));
  }

  // Ports of a NAT: those of the packets and those that they get.
  void write_nat_ports(const char* to_ports) {
    if (dice_.chance(40)) return;
    text_ += fmt::format("protocol = {}\n", dice_.pick({"\"tcp\"", "\"udp\"", "[\"tcp\", \"udp\"]"}));
    if (dice_.chance(60)) text_ += "ports = " + ports() + "\n";
    if (dice_.chance(40)) text_ += fmt::format("to_ports = {}\n", to_ports);
  }

  void write_snat() {
    text_ += fmt::format("[[firewall.snat]]\nout = {}\n", dice_.pick({"\"eth0\"", "\"eth1\"", "\"any\""}));
    text_ += "source = " + (dice_.chance(30) ? "\"any\"" : addresses()) + "\n";
    if (dice_.chance(20)) text_ += "destination = " + addresses() + "\n";
    text_ += fmt::format("to = \"{}\"\n", dice_.pick({"192.168.0.100", "198.51.100.1",
                                                      "198.51.100.1-198.51.100.3", "fd00:1::100"}));
    write_nat_ports("\"20000-60000\"");
  }

  void write_dnat() {
    text_ += fmt::format("[[firewall.dnat]]\nfrom = {}\n", dice_.pick({"\"eth0\"", "\"eth1\"", "\"any\""}));
    text_ += fmt::format("destination = {}\n", dice_.chance(40)   ? "\"192.168.0.100\""
                                               : dice_.chance(20) ? "\"any\""
                                                                  : addresses());
    if (dice_.chance(20)) text_ += "source = " + addresses() + "\n";
    text_ += fmt::format("to = \"{}\"\n", dice_.chance(10) ? "192.168.2.70-192.168.2.72" : host());
    write_nat_ports(dice_.pick({"80", "8080", "\"5000-5100\""}));
    if (dice_.chance(30)) text_ += "allow = false\n";
  }

  void write_redirect() {
    text_ +=
        fmt::format("[[firewall.redirect]]\nfrom = {}\n", dice_.pick({"\"eth0\"", "\"eth1\"", "\"any\""}));
    if (dice_.chance(40)) text_ += "destination = " + addresses() + "\n";
    write_nat_ports("3128");
  }

  void write_input() {
    text_ += "[firewall.input]\n";
    if (dice_.chance(30)) text_ += "drop_invalid = false\n";
    if (dice_.chance(50)) text_ += fmt::format("reverse_path = \"{}\"\n", dice_.pick({"strict", "loose"}));
    if (dice_.chance(20)) text_ += "syn_limit = \"5/second\"\n";
    if (dice_.chance(40)) text_ += fmt::format("ping = \"{}\"\n", dice_.pick({"off", "1/second"}));
    for (std::uint32_t services = dice_.below(3); services > 0; --services) {
      text_ += "[[firewall.service]]\n";
      if (dice_.chance(50)) text_ += fmt::format("from = {}\n", dice_.pick({"\"eth0\"", "\"any\""}));
      write_addresses();
      write_protocol(true);
    }
  }

  Dice& dice_;
  std::string text_;
  std::vector<std::string> groups_;
  bool ports_group_ = false;
  bool helper_ = false;
};

}  // namespace

std::string random_policy(Dice& dice) {
  return Writer(dice).write();
}

}  // namespace ftfw::firewall::test
