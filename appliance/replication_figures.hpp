// From the engine's progress and counters to what status shows of one conversation. Pure.
#pragma once

#include "appliance/replication_status.hpp"
#include "sync/engine.hpp"

namespace ftfw {

// Of the peer with this index. node: the counters of the whole engine; conversation: of this peer alone.
ConversationStatus conversation_of(const sync::Progress& progress, std::size_t peer,
                                   const sync::Counters& node, const sync::Counters& conversation,
                                   Instant now, WallTime wall_now);

// What the engine or the kernel did not take, by reason. All reasons always, under names that stay.
Figures rejected_by_reason(const sync::Counters& node, const sync::Counters& conversation);

}  // namespace ftfw
