#include "appliance/live_change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "config/key_places.hpp"

namespace ftfw {
namespace {

using config::Config;

constexpr const char* kHint = "restart to change it, the backup first";

// Says of one section after the other which of its keys differ.
class Comparison {
 public:
  Comparison(std::string_view text, config::DiagnosticList& list) : places_(text), list_(list) {}

  void key(bool same, std::string_view section, std::string_view name) {
    if (!same)
      refuse({section, name},
             fmt::format("'{}' of [{}] cannot change while the appliance runs", name, section));
  }
  void refuse(std::initializer_list<std::string_view> path, std::string what) {
    list_.error(places_.of(path), std::move(what), kHint);
  }

 private:
  config::KeyPlaces places_;
  config::DiagnosticList& list_;
};

void compare_nodes(const Config& from, const Config& to, Comparison& comparison) {
  if (!std::ranges::equal(from.nodes, to.nodes, {}, &config::Node::name, &config::Node::name)) {
    comparison.refuse({"node"}, "which nodes there are cannot change while the appliance runs");
    return;
  }
  for (std::size_t i = 0; i < to.nodes.size(); ++i) {
    if (from.nodes[i].replication_address == to.nodes[i].replication_address) continue;
    comparison.refuse({"node", to.nodes[i].name, "replication_address"},
                      fmt::format("'replication_address' of [node.{}] cannot change while the appliance runs",
                                  to.nodes[i].name));
  }
}

bool same_links(const std::vector<config::ReplicationLink>& from,
                const std::vector<config::ReplicationLink>& to) {
  return std::ranges::equal(from, to, [](const config::ReplicationLink& a, const config::ReplicationLink& b) {
    return a.interface == b.interface && a.addresses == b.addresses;
  });
}

void compare_replication(const config::Replication& from, const config::Replication& to,
                         Comparison& comparison) {
  const auto key = [&](bool same, std::string_view name) { comparison.key(same, "replication", name); };
  key(from.interface == to.interface, "interface");
  key(same_links(from.further_links, to.further_links), "link");
  key(from.port == to.port, "port");
  key(from.key_file == to.key_file, "key_file");
  key(from.key_file_next == to.key_file_next, "key_file_next");
  key(from.insecure == to.insecure, "insecure");
  key(from.standby == to.standby, "standby");
  key(from.protocols == to.protocols, "protocols");
  key(from.tcp_states == to.tcp_states, "tcp_states");
  key(from.excluded_networks == to.excluded_networks, "excluded_networks");
  key(from.minimum_age == to.minimum_age, "minimum_age");
  key(from.expectations == to.expectations, "expectations");
  key(from.parked_timeout == to.parked_timeout, "parked_timeout");
  key(from.compare_interval == to.compare_interval, "compare_interval");
  key(from.compare_entries_per_second == to.compare_entries_per_second, "compare_entries_per_second");
  key(from.repair_entries_per_second == to.repair_entries_per_second, "repair_entries_per_second");
  key(from.event_buffer_bytes == to.event_buffer_bytes, "event_buffer");
  key(from.reliable_destroy == to.reliable_destroy, "reliable_destroy");
}

void compare_vrrp(const config::Vrrp& from, const config::Vrrp& to, Comparison& comparison) {
  const auto key = [&](bool same, std::string_view name) { comparison.key(same, "vrrp", name); };
  key(from.version == to.version, "version");
  key(from.advertisement_interval == to.advertisement_interval, "advertisement_interval");
  key(from.missed_advertisements == to.missed_advertisements, "missed_advertisements");
  key(from.pass == to.pass, "authentication");
  key(from.checksum == to.checksum, "checksum");
  key(from.preempt == to.preempt, "preempt");
  key(from.preempt_delay == to.preempt_delay, "preempt_delay");
  key(from.sync_wait == to.sync_wait, "sync_wait");
  const config::Announcements& a = from.announcements;
  const config::Announcements& b = to.announcements;
  key(a.repeats == b.repeats && a.spacing == b.spacing && a.second_burst == b.second_burst &&
          a.refresh == b.refresh && a.arp == b.arp,
      "announcements");
}

bool same_addresses(const std::vector<config::VirtualAddress>& from,
                    const std::vector<config::VirtualAddress>& to) {
  return std::ranges::equal(from, to, [](const config::VirtualAddress& a, const config::VirtualAddress& b) {
    return a.address == b.address && a.scope == b.scope && a.label == b.label;
  });
}

bool same_router(const config::VirtualRouter& a, const config::VirtualRouter& b) {
  return a.name == b.name && a.interface == b.interface && a.id == b.id &&
         same_addresses(a.addresses, b.addresses) &&
         same_addresses(a.excluded_addresses, b.excluded_addresses) &&
         a.virtual_mac_interface == b.virtual_mac_interface && a.unicast == b.unicast &&
         a.allowed_sources == b.allowed_sources && a.up_delay == b.up_delay;
}

bool same_tracked_interface(const config::TrackedInterface& a, const config::TrackedInterface& b) {
  return a.interface == b.interface && a.weight == b.weight && a.up_delay == b.up_delay;
}

bool same_tracked_file(const config::TrackedFile& a, const config::TrackedFile& b) {
  return a.path == b.path && a.weight == b.weight;
}

bool same_route(const config::VirtualRoute& a, const config::VirtualRoute& b) {
  return a.to == b.to && a.via == b.via && a.interface == b.interface && a.source == b.source &&
         a.table == b.table && a.metric == b.metric && a.mtu == b.mtu;
}

void compare_group(const config::SyncGroup& from, const config::SyncGroup& to, Comparison& comparison) {
  const auto list = [&](bool same, std::string_view name) {
    if (!same)
      comparison.refuse({"sync_group", "0", name},
                        fmt::format("[[sync_group.{}]] cannot change while the appliance runs", name));
  };
  list(std::ranges::equal(from.routers, to.routers, same_router), "virtual_router");
  list(std::ranges::equal(from.tracked_interfaces, to.tracked_interfaces, same_tracked_interface),
       "track_interface");
  list(std::ranges::equal(from.tracked_files, to.tracked_files, same_tracked_file), "track_file");
  list(std::ranges::equal(from.routes, to.routes, same_route), "route");
}

}  // namespace

void check_live(const Config& from, const Config& to, std::string_view text, config::DiagnosticList& list) {
  Comparison comparison(text, list);
  compare_nodes(from, to, comparison);
  compare_vrrp(from.vrrp, to.vrrp, comparison);
  compare_group(from.group, to.group, comparison);
  compare_replication(from.replication, to.replication, comparison);
}

}  // namespace ftfw
