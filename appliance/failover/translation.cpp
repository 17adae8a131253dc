#include "appliance/failover/translation.hpp"

#include <algorithm>
#include <set>

#include "sync/session.hpp"
#include "vrrp/announcement.hpp"
#include "vrrp/intervals.hpp"

namespace ftfw::failover {

Role role_of(vrrp::State state) {
  switch (state) {
    case vrrp::State::initialize:
      return Role::starting;
    case vrrp::State::backup:
      return Role::backup;
    case vrrp::State::active:
      return Role::primary;
    case vrrp::State::fault:
      return Role::fault;
  }
  return Role::fault;
}

sync::GroupRole group_role_of(Role role) {
  switch (role) {
    case Role::starting:
      return sync::GroupRole::unknown;
    case Role::backup:
      return sync::GroupRole::backup;
    case Role::primary:
      return sync::GroupRole::primary;
    case Role::fault:
      return sync::GroupRole::fault;
  }
  return sync::GroupRole::unknown;
}

PeerView peer_view_of(const sync::PeerState& peer) {
  return {.alive = peer.alive,
          .primary = peer.group.role == sync::GroupRole::primary,
          .epoch = peer.group.primary_epoch,
          .obeyed = peer.source_epoch,
          .hears_source = peer.hears_source};
}

Coordinator::Settings coordinator_settings(const vrrp::Settings& election, const config::Config& config) {
  Coordinator::Settings settings;
  settings.peers = config.nodes.size() - 1;
  if (config.replication.standby == config::StandbyMode::cache) {
    settings.budgets.commit = kCacheCommit;
    settings.budgets.shield = kCacheShield;
  }
  settings.budgets.await_peer =
      std::min(settings.budgets.await_peer,
               vrrp::active_down_interval(election.version, election.priority,
                                          election.advertisement_interval, election.missed_advertisements));
  std::set<Duration> rounds;
  for (const vrrp::ScheduledAnnouncement& announcement :
       vrrp::announcement_schedule(election.routers, election.announcements)) {
    if (announcement.after > Duration::zero()) rounds.insert(announcement.after);
  }
  settings.announcement_rounds.assign(rounds.begin(), rounds.end());
  settings.announcement_refresh = election.announcements.refresh;
  settings.virtual_routes = !config.group.routes.empty();
  return settings;
}

sync::Settings replication_settings(const config::Config& config, std::size_t node,
                                    std::span<const IpAddress> machine_addresses) {
  std::set<IpAddress> local(machine_addresses.begin(), machine_addresses.end());
  for (const config::Node& one : config.nodes) local.insert(one.replication_address);
  for (const config::ReplicationLink& link : config.replication.further_links)
    local.insert(link.addresses.begin(), link.addresses.end());
  for (const config::VirtualRouter& router : config.group.routers) {
    for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
      for (const config::VirtualAddress& address : *list) local.insert(address.address.address);
    }
  }
  sync::Settings settings;
  settings.node = config.nodes[node].name;
  for (const config::Node& one : config.nodes) {
    if (one.name != settings.node) settings.peers.push_back(one.name);
  }
  settings.protocols = config.replication.protocols;
  settings.local_addresses.assign(local.begin(), local.end());
  for (const std::uint8_t state : config.replication.tcp_states)
    settings.tcp_states.push_back(static_cast<sync::TcpState>(state));
  settings.excluded_networks = config.replication.excluded_networks;
  settings.minimum_age = config.replication.minimum_age;
  settings.compare_entries_per_second = config.replication.compare_entries_per_second;
  settings.repair_entries_per_second = config.replication.repair_entries_per_second;
  settings.expectations = config.replication.expectations;
  settings.parked_timeout = config.replication.parked_timeout;
  settings.compare_interval = config.replication.compare_interval;
  settings.primary_beat = std::clamp(config.vrrp.advertisement_interval / kStatesInAnInterval, kShortestBeat,
                                     sync::kStateInterval);
  settings.cache = config.replication.standby == config::StandbyMode::cache;
  return settings;
}

}  // namespace ftfw::failover
