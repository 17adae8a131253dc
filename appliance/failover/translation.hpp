// What the domains say, in the words of the coordinator, and the settings that one configuration gives each
// of them. Shared by the daemon and the simulation, so that what is simulated is what runs. Pure, any thread.
#pragma once

#include <chrono>
#include <span>

#include "appliance/failover/coordinator.hpp"
#include "config/model.hpp"
#include "sync/group_state.hpp"
#include "sync/settings.hpp"
#include "vrrp/settings.hpp"
#include "vrrp/state.hpp"

namespace ftfw::failover {

// Who lives to take over decides how long the kernel keeps the addresses of a process that is gone.
inline constexpr std::chrono::seconds kLeaseWithPeer{3};  // the peer has them: ours must go soon
inline constexpr std::chrono::seconds kLeaseAlone{
    60};  // longer than watchdog plus restart: nobody else serves them

Role role_of(vrrp::State state);
sync::GroupRole group_role_of(Role role);
PeerView peer_view_of(const sync::PeerState& peer);

// Where the flows have to be committed first: 800,000 fit into the budget. Then the shield waits for the
// rest, some millions more.
inline constexpr std::chrono::seconds kCacheCommit{5};
inline constexpr std::chrono::seconds kCacheShield{30};

// A primary's word is believed for one advertisement interval: two of its states may be lost in it.
inline constexpr int kStatesInAnInterval = 3;
inline constexpr Duration kShortestBeat = std::chrono::milliseconds(5);

// Waiting for the peer is bounded by one down interval; the announcement rounds are those of
// vrrp/announcement.hpp.
Coordinator::Settings coordinator_settings(const vrrp::Settings& election, const config::Config& config);

// machine_addresses: all of this machine. Flows of them, of the virtual addresses and of the dedicated link
// are local.
sync::Settings replication_settings(const config::Config& config, std::size_t node,
                                    std::span<const IpAddress> machine_addresses);

}  // namespace ftfw::failover
