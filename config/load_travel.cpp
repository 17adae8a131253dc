// What of [replication] says which flows travel, and how fast what goes on in the background may be.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// enum tcp_conntrack of the kernel, from its first one on.
constexpr std::array<std::string_view, 8> kTcpStates{"syn_sent",   "syn_recv", "established", "fin_wait",
                                                     "close_wait", "last_ack", "time_wait",   "close"};
constexpr std::uint8_t kFirstTcpState = 1;
constexpr std::uint8_t kEstablished = 3;

// More are a rule of their own: the list is walked for every event.
constexpr std::size_t kMaxExcludedNetworks = 64;
constexpr Duration kMaxMinimumAge = 10min;

struct Pace {
  std::int64_t least;
  std::int64_t most;
};
// Below: a compare of a million flows would take longer than its usual interval. Above: faster than any
// kernel.
constexpr Pace kComparePace{1'000, 10'000'000};
constexpr Pace kRepairPace{100, 10'000'000};

void read_protocols(Section& section, Replication& replication) {
  for (const Value& value :
       section.list({"protocols", "[\"tcp\", \"udp\"]; leave it out to replicate all"})) {
    const auto protocol = value.protocol();
    if (!protocol) continue;
    if (std::ranges::find(replication.protocols, protocol->value) != replication.protocols.end()) {
      value.error("this protocol stands in the list already", "");
      continue;
    }
    replication.protocols.push_back(protocol->value);
  }
}

void read_tcp_states(Section& section, Replication& replication) {
  std::vector<std::uint8_t>& states = replication.tcp_states;
  bool all_read = true;
  for (const Value& value : section.list(
           {"tcp_states", "[\"syn_recv\", \"established\"]; leave it out for all from the first reply on"})) {
    const auto choice = value.choice(kTcpStates);
    all_read = all_read && choice;
    if (!choice) continue;
    const auto state = static_cast<std::uint8_t>(choice->value + kFirstTcpState);
    if (std::ranges::find(states, state) != states.end()) {
      value.error("this state stands in the list already", "");
      continue;
    }
    states.push_back(state);
  }
  if (!all_read || states.empty() || std::ranges::find(states, kEstablished) != states.end()) return;
  section.diagnostics().warning(section.where_key("tcp_states"),
                                "without \"established\" no TCP connection survives a takeover",
                                "add \"established\", or leave tcp out of 'protocols'");
}

void read_excluded_networks(Section& section, Replication& replication) {
  for (const Value& value :
       section.list({"excluded_networks", "[\"10.9.0.0/16\", \"2001:db8:9::/48\"]"}, kMaxExcludedNetworks)) {
    const auto network = value.prefix();
    if (!network || !check_host_bits(network->value, value)) continue;
    if (std::ranges::find(replication.excluded_networks, network->value) !=
        replication.excluded_networks.end()) {
      value.error("this network stands in the list already", "");
      continue;
    }
    replication.excluded_networks.push_back(network->value);
  }
}

void read_pace(Section& section, Key key, const Pace& pace, std::uint32_t& entries_per_second) {
  const auto value = section.integer(key, pace.least, pace.most);
  if (value) entries_per_second = static_cast<std::uint32_t>(value->value);
}

}  // namespace

void read_travel(Section& section, Replication& replication) {
  read_protocols(section, replication);
  read_tcp_states(section, replication);
  read_excluded_networks(section, replication);
  if (const auto age = section.duration({"minimum_age", "\"5s\""}, 0s, kMaxMinimumAge)) {
    replication.minimum_age = age->value;
  }
  read_pace(section, {"compare_entries_per_second", "100000"}, kComparePace,
            replication.compare_entries_per_second);
  read_pace(section, {"repair_entries_per_second", "20000"}, kRepairPace,
            replication.repair_entries_per_second);
}

}  // namespace ftfw::config
