// The table of what this daemon can be asked: one entry a request, each made by a function of its own.
// Thread: control; the handlers run there.
#pragma once

#include "appliance/control/command.hpp"
#include "appliance/control/orders.hpp"
#include "appliance/events.hpp"
#include "appliance/flows/source.hpp"
#include "appliance/policy_book.hpp"
#include "appliance/status.hpp"

namespace ftfw {

// What the handlers may use; it lives as long as the control thread.
struct ControlContext {
  SharedStatus& status;
  EventLog& events;
  OrderDesk& orders;          // to the failover thread
  OpenFlowSource open_flows;  // what this node holds
  const PolicyBook& policy;   // in force
};

ControlCommands control_commands(const ControlContext& context);

}  // namespace ftfw
