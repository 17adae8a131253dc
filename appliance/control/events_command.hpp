// The request `events`: what happened, the oldest first, and with --follow what happens until the client
// goes. Thread: control.
#pragma once

#include "appliance/control/command.hpp"
#include "appliance/events.hpp"

namespace ftfw {

// Clients that follow keep their place among the clients, so there may be only so many of them.
inline constexpr std::size_t kMaxFollowers = 4;

// The caller lets events.wake_fd() wake the server.
ControlCommand events_command(EventLog& events);

}  // namespace ftfw
