// What the replication thread has for one other node: the dedicated links to it, the reader of the kernel's
// table that serves it at its own pace, what was said about it, and its part of the status. The engine, the
// table that is written to and the captured events are the thread's, one for all peers. Used by that thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "appliance/status.hpp"
#include "sync/engine.hpp"
#include "sync/linux/conntrack_table.hpp"
#include "sync/linux/link_set.hpp"

namespace ftfw {

// Opened at the start.
struct ReplicationPeerParts {
  std::string name;
  std::unique_ptr<sync::LinkSet> links;
  sync::ConntrackTable reader;  // of nothing but dumps
};

class ReplicationPeer {
 public:
  // Something that a person must know.
  using Tell = std::function<void(std::string)>;

  // index: its place in the engine's settings and in the status.
  ReplicationPeer(std::size_t index, ReplicationPeerParts parts, Tell tell);
  ReplicationPeer(const ReplicationPeer&) = delete;
  ReplicationPeer& operator=(const ReplicationPeer&) = delete;

  const std::string& name() const { return parts_.name; }
  sync::LinkSet& links() { return *parts_.links; }
  // What the channel received goes to the engine.
  void drain(sync::Engine& engine);
  // A frame that the channel does not take now is a loss like any other: the session sends it again.
  void send(ByteSpan frame);
  // The engine hears it or does not.
  void on_changed(const sync::PeerState& peer);

  // ---- the reader
  void begin_dump(sync::Engine& engine, std::uint64_t dump);
  bool wants_to_read(const sync::Engine& engine) const { return dump_ && engine.ready_for_dump(*dump_); }
  // One piece.
  void step_dump(sync::Engine& engine);

  // ---- status
  void tell_links(Instant now);
  void publish(const sync::Engine& engine, const sync::PeerProgress& progress,
               ReplicationPeerStatus& status) const;

 private:
  // What was said about a link that is not sound.
  struct LinkTrouble {
    std::optional<Instant> since;
    std::optional<sync::LinkCondition> told;
  };

  void end_dump(sync::Engine& engine, bool complete);

  std::size_t index_;
  ReplicationPeerParts parts_;
  Tell tell_;
  std::optional<std::uint64_t> dump_;  // the one under way
  bool reading_ = false;               // the kernel was asked for it
  bool alive_ = false;
  std::vector<LinkTrouble> link_troubles_;
  std::optional<sync::HandshakeFailure> told_failure_;  // once, until an association is up
};

}  // namespace ftfw
