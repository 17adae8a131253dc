// What an operator can ask: one board that the failover, replication and capture threads write and the
// control thread reads, under a lock that is held for a copy only. The vrrp thread never touches it: it posts
// its part to the failover thread. Rendered as text for people and as JSON (schema 1) for programs.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "appliance/base/lock_guarded.hpp"
#include "appliance/base/time.hpp"
#include "appliance/replication_status.hpp"

namespace ftfw {

struct RouterStatus {
  std::string name;
  std::string interface;
  std::uint8_t id = 0;
  bool link_usable = false;
  std::optional<Instant> usable_from;  // up, and waiting for its up-delay
  std::string active;                  // address of the node last heard as Active here, empty: none
  std::optional<Instant> heard;        // when
  std::string virtual_mac;             // empty: that of the interface
  std::vector<std::pair<std::string, std::uint64_t>> counters;
};

struct TrackedInterfaceStatus {
  std::string interface;
  bool up = false;  // and for as long as its up-delay asks
  std::optional<int> weight;
};

struct TrackedFileStatus {
  std::string path;
  int value = 0;
  int weight = 1;
  bool readable = true;  // false: the value is the last one that was read
};

struct VrrpStatus {
  std::string state;
  std::uint8_t priority = 0;  // effective
  std::string waits_for;      // what keeps a backup from claiming; empty: nothing
  std::vector<RouterStatus> routers;
  std::vector<TrackedInterfaceStatus> tracked;
};

struct ReplicationLinkStatus {
  std::string interface;
  std::string condition;           // "sound", "silent", "no carrier", ...
  bool carries = false;            // flows go over it
  std::string cipher;              // empty without an association
  std::string key;                 // "key_file" or "key_file_next"
  unsigned delivered_percent = 0;  // of the last keep-alives to the peer
  std::string trouble;
  std::vector<std::pair<std::string, std::uint64_t>> counters;
};

// One other node, and the conversation with it.
struct ReplicationPeerStatus {
  std::string name;
  bool alive = false;       // heard on a dedicated link; the rest is what it said last
  std::string role;         // "primary", "backup", "fault", "starting"; empty: never heard
  bool in_sync = false;     // by its own word
  std::uint64_t epoch = 0;  // of its own last take-over
  std::vector<std::pair<std::string, std::uint64_t>> figures;  // unacknowledged, sent, resent ...
  ConversationStatus conversation;
  std::vector<ReplicationLinkStatus> links;
};

struct ReplicationStatus {
  bool in_sync = false;
  std::string in_sync_reason;
  bool source = false;
  std::vector<std::pair<std::string, std::uint64_t>> figures;  // of this node: entries, refused, overruns ...
  std::vector<ReplicationPeerStatus>
      peers;  // all other nodes, in the order of the configuration, from the start
  std::vector<std::pair<std::string, std::uint64_t>> capture;  // the kernel's events: read, lost, ...

  bool any_peer_alive() const { return std::ranges::any_of(peers, &ReplicationPeerStatus::alive); }
};

struct AlarmStatus {
  WallTime at;
  std::string text;
};

struct SysctlStatus {
  std::string name;
  std::string wanted;
  std::string found;
  std::string why;
};

struct StatusBoard {
  std::string version;
  std::string node;
  std::string group;
  std::string role = "starting";
  std::string cause;
  WallTime since = std::chrono::system_clock::now();
  std::uint64_t epoch = 0;
  std::uint8_t configured_priority = 0;
  std::vector<TrackedFileStatus> tracked_files;
  std::vector<std::string> addresses;
  std::vector<std::string> routes;
  std::uint64_t put_back = 0;  // addresses and routes that somebody else removed
  bool addresses_held = false;
  Duration lease{};
  std::string rules;                  // "asleep behind the guard", "active"
  std::uint64_t foreign_changes = 0;  // of our tables, by other programs
  std::uint64_t repairs = 0;
  std::string last_transition;  // the timeline's text
  VrrpStatus vrrp;
  ReplicationStatus replication;
  std::vector<SysctlStatus> sysctls;
  std::vector<std::string> kernel_defects;  // what this kernel does wrong, and which do not
  std::deque<AlarmStatus> alarms;           // newest last

  static constexpr std::size_t kMaxAlarms = 16;
  void alarm(std::string text);
};

using SharedStatus = LockGuarded<StatusBoard>;

enum class ProgressForm : std::uint8_t { words, bar };
std::string render_text(const StatusBoard& board, Instant now, ProgressForm form = ProgressForm::words);
std::string render_json(const StatusBoard& board, Instant now);

}  // namespace ftfw
