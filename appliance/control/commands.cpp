#include "appliance/control/commands.hpp"

#include "appliance/base/clock.hpp"
#include "appliance/control/events_command.hpp"
#include "appliance/control/firewall_commands.hpp"
#include "appliance/flows/command.hpp"

namespace ftfw {
namespace {

ControlCommand status_command(SharedStatus& status) {
  return {.name = "status",
          .arguments = "[--json | --bar]",
          .help = "role, peer, replication, last takeover, alarms",
          .handle = [&status](Words words) -> Answer {
            const bool json = words.take_flag("--json");
            const auto form = words.take_flag("--bar") ? ProgressForm::bar : ProgressForm::words;
            if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
            const StatusBoard board = status.copy();
            const Instant now = monotonic_now();
            return answer_text(json ? render_json(board, now) : render_text(board, now, form));
          }};
}

ControlCommand announce_command(OrderDesk& orders) {
  return {.name = "announce",
          .arguments = "",
          .help = "tell the neighbours once more where the virtual addresses are (primary only)",
          .handle = [&orders](const Words& words) -> Answer {
            if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
            return orders.post(AnnounceOrder{});
          }};
}

ControlCommand reload_command(OrderDesk& orders) {
  return {.name = "reload",
          .arguments = "",
          .help = "read the configuration file again: the change takes effect as a whole, or nothing does",
          .handle = [&orders](const Words& words) -> Answer {
            if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
            return orders.post(ReloadOrder{});
          }};
}

}  // namespace

ControlCommands control_commands(const ControlContext& context) {
  return {status_command(context.status),    events_command(context.events),
          flows_command(context.open_flows), explain_command(context.policy, context.status),
          rules_command(context.policy),     announce_command(context.orders),
          reload_command(context.orders)};
}

}  // namespace ftfw
