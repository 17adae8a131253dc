// "flows": lists or counts what this node holds.
#pragma once

#include "appliance/control/command.hpp"
#include "appliance/flows/source.hpp"

namespace ftfw {

ControlCommand flows_command(OpenFlowSource open_source);

}  // namespace ftfw
