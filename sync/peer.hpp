// One other node, as the engine sees it: the conversation, and what this node sends there while it is the
// source. Every peer has an outbox, compares and windows of its own, so that a slow or dead one holds up
// nobody. What is received is believed by the one Replica, which obeys one source. Owned by Engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "sync/counters.hpp"
#include "sync/filter.hpp"
#include "sync/output.hpp"
#include "sync/session.hpp"
#include "sync/settings.hpp"
#include "sync/source.hpp"

namespace ftfw::sync {

struct Peer {
  Peer(const Settings& settings, std::size_t place, const Filter& filter, std::uint64_t instance)
      : index(place),
        name(settings.peers[place]),
        session(settings.node, name, instance, counters),
        source(settings, filter, counters, instance + place) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void drop_carried() {
    carried.clear();
    carried_load = {};
  }
  // Of the conversation: no other one of this process has its number.
  std::uint64_t conversation() const { return session.number() * kMaxNodes + index; }

  std::size_t index;
  std::string name;
  Counters counters;  // of the session and the source
  Session session;
  Source source;
  ByteVector carried;  // a message that did not fit into the last frame
  FrameLoad carried_load;
  PeerState reported;
  std::optional<GroupMessage> message;  // to it, while it stands
  std::uint64_t reported_overflows = 0;
  std::optional<Instant> two_sources_since;
  std::array<std::optional<Instant>, kNoticeKinds> last_notice{};
};

}  // namespace ftfw::sync
