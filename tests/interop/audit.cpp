#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "tests/interop/wire.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::interop {
namespace {

using lab::Node;
using lab::Sighting;

// What tshark is asked for, in this order.
constexpr std::array kFields{
    "ip.src",          "ipv6.src",         "ip.dst",         "ipv6.dst",         "ip.ttl",
    "ipv6.hlim",       "ip.dsfield",       "ipv6.tclass",    "vrrp.version",     "vrrp.type",
    "vrrp.prio",       "vrrp.virt_rtr_id", "vrrp.auth_type", "vrrp.adver_int",   "vrrp.short_adver_int",
    "vrrp.addr_count", "vrrp.ip_addr",     "vrrp.ipv6_addr", "vrrp.auth_string", "vrrp.checksum.status"};
constexpr std::string_view kChecksumGood = "1";
constexpr std::size_t kPassBytes = 8;

using Packet = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  if (text.ends_with(separator)) parts.emplace_back();
  return parts;
}

std::vector<Packet> read_with_tshark(lab::Lab& lab, const std::string& file) {
  std::vector<std::string> words{"tshark", "-n", "-r", file, "-T", "fields", "-E", "separator=|"};
  for (const char* field : kFields) {
    words.emplace_back("-e");
    words.emplace_back(field);
  }
  std::vector<Packet> packets;
  for (const std::string& line : split(lab.run_well(Node::client, words), '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string> values = split(line, '|');
    if (values.size() != kFields.size()) lab::give_up("tshark: " + line);
    Packet& packet = packets.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i) packet[kFields[i]] = values[i];
  }
  return packets;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

// The source is who the cable says: FRR's IPv6 speaks from its macvlan.
std::string expected_source(const Sighting& seen, const Dialect& dialect, bool from_macvlan) {
  const char* host = seen.node == Node::fw_1 ? "1" : "2";
  if (!dialect.ipv6) return std::string(seen.interface == "eth1" ? "192.168.2." : "192.168.0.") + host;
  return std::string("fe80::") + host + (from_macvlan ? "1" : "0");
}

Packet expected(const Sighting& seen, const Dialect& dialect, const Leg& leg, bool from_macvlan) {
  const std::string source = expected_source(seen, dialect, from_macvlan);
  Packet packet;
  for (const char* field : kFields) packet[field] = "";
  packet["vrrp.version"] = std::to_string(dialect.version);
  packet["vrrp.type"] = "1";
  packet["vrrp.prio"] = std::to_string(seen.priority);
  packet["vrrp.virt_rtr_id"] = std::to_string(leg.id);
  packet["vrrp.addr_count"] = std::to_string(leg.addresses.size());
  packet["vrrp.checksum.status"] = kChecksumGood;
  packet[dialect.ipv6 ? "ipv6.src" : "ip.src"] = source;
  packet[dialect.ipv6 ? "ipv6.dst" : "ip.dst"] = dialect.ipv6 ? "ff02::12" : "224.0.0.18";
  packet[dialect.ipv6 ? "ipv6.hlim" : "ip.ttl"] = "255";
  packet[dialect.ipv6 ? "ipv6.tclass" : "ip.dsfield"] = dialect.ipv6 ? "0x000000c0" : "0xc0";
  packet[dialect.ipv6 ? "vrrp.ipv6_addr" : "vrrp.ip_addr"] = joined(leg.addresses);
  if (dialect.version == 2) {
    packet["vrrp.adver_int"] = std::to_string(dialect.interval / 1s);
    packet["vrrp.auth_type"] = dialect.password.empty() ? "0" : "1";
    packet["vrrp.auth_string"] = dialect.password.substr(0, kPassBytes);
  } else {
    packet["vrrp.short_adver_int"] = std::to_string(dialect.interval / 10ms);
  }
  return packet;
}

}  // namespace

Audit audit(lab::Lab& lab, const lab::AdvertisementCapture& capture, const Dialect& dialect) {
  const std::string file = (lab.scratch().path() / "capture.pcap").string();
  const std::vector<Sighting> record = capture.since(0);
  capture.write_pcap(file);
  const std::vector<Packet> packets = read_with_tshark(lab, file);
  Audit result;
  // More may have come in between.
  if (packets.size() < record.size()) {
    result.problems.push_back(fmt::format("tshark reads {} of {} packets", packets.size(), record.size()));
    return result;
  }
  std::map<std::string, std::size_t> differences;
  for (std::size_t i = 0; i < record.size(); ++i) {
    const Sighting& seen = record[i];
    ++result.packets[seen.node == Node::fw_1 ? 0 : 1];
    const auto leg =
        std::ranges::find_if(dialect.legs, [&](const Leg& l) { return l.interface == seen.interface; });
    const bool from_macvlan = packets[i].at("ipv6.src") == expected_source(seen, dialect, true);
    for (const auto& [field, wanted] : expected(seen, dialect, *leg, from_macvlan)) {
      const std::string& found = packets[i].at(field);
      if (found == wanted) continue;
      ++differences[fmt::format("{} sends {} {} instead of {}", name_of(seen.node), field, found, wanted)];
    }
  }
  for (const auto& [difference, count] : differences) {
    result.problems.push_back(fmt::format("{} ({} packets)", difference, count));
  }
  return result;
}

}  // namespace ftfw::interop
