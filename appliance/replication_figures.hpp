// From the engine's progress and counters to what status shows of one conversation. Pure.
#pragma once

#include "appliance/replication_status.hpp"
#include "sync/engine.hpp"

namespace ftfw {

ConversationStatus conversation_of(const sync::Progress& progress, const sync::Counters& counters,
                                   Instant now, WallTime wall_now);

// What the engine or the kernel did not take, by reason. All reasons always, under names that stay.
Figures rejected_by_reason(const sync::Counters& counters);

}  // namespace ftfw
