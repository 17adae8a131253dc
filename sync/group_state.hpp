// What the nodes tell each other about themselves beside the flows: roles, epochs, health. Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ftfw::sync {

// Of the engine: the source is whose table the pair shows.
enum class Role : std::uint8_t { replica = 0, source = 1 };

// Of the whole appliance, as the operator sees it.
enum class GroupRole : std::uint8_t { unknown = 0, backup = 1, primary = 2, fault = 3 };

// How many nodes share a group, this one included: one primary and its standbys.
inline constexpr std::size_t kMaxNodes = 8;

// Of a version that travels: longer ones are cut.
inline constexpr std::size_t kMaxVersion = 32;

struct GroupState {
  GroupRole role = GroupRole::unknown;
  std::uint8_t priority = 0;             // effective VRRP priority
  bool legs_up = false;                  // every interface of the sync group
  std::uint64_t primary_epoch = 0;       // of its own last take-over
  bool ready = false;                    // as backup: could be primary at once, nothing lost
  bool maintenance = false;              // an operator keeps it from becoming primary
  std::uint64_t configuration_hash = 0;  // 0: not known
  std::uint64_t ruleset_hash = 0;        // 0: not known
  std::string version = {};              // of the program
  bool operator==(const GroupState&) const = default;
};

// What a node says to another one beside its state. It goes with every state while it stands, so that none
// is lost and the newest word counts; a state without one takes it back.
struct GroupMessage {
  enum class Kind : std::uint8_t {
    release = 1,  // of a primary that cannot go on (a leg is lost): take over now
    request = 2,  // switchover: are you ready?
    ready = 3,    // answer to request
    go = 4,       // the addresses are gone here: take over now
    abort = 5,    // not now: of either side
  };
  Kind kind = Kind::release;
  std::uint64_t epoch = 0;    // of the primary whose place it is about: an older one changes nothing
  std::uint64_t attempt = 0;  // of a switchover: the primary's number for it
  bool operator==(const GroupMessage&) const = default;
};

// What a replica's kernel refuses to hold, so that to compare it would find the same difference for ever.
struct LeftOut {
  bool labels = false;
  bool helpers = false;
  bool operator==(const LeftOut&) const = default;
};

// A replica's table, for its source.
struct TableState {
  bool empty = false;  // it was read, and nothing of the pair's is there: a compare would tell nothing
  LeftOut refused;
  bool operator==(const TableState&) const = default;
};

// A peer as last heard. While it is not alive the rest is what it said last.
struct PeerState {
  bool alive = false;
  std::string node;
  Role role = Role::replica;
  bool in_sync = false;
  std::uint64_t source_epoch = 0;  // its own as source; else the newest that it heard
  bool hears_source = false;       // as a replica: the source that it obeys lives
  GroupState group;
  std::optional<GroupMessage> message = {};
  bool operator==(const PeerState&) const = default;
};

}  // namespace ftfw::sync
