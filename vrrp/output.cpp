#include "vrrp/output.hpp"

#include <fmt/format.h>

namespace ftfw::vrrp {

std::string to_string(const Cause& cause, const Settings& settings) {
  const auto leg = [&] {
    const RouterSettings& router = settings.routers.at(cause.router);
    return fmt::format("{} ({})", router.name, router.interface);
  };
  switch (cause.kind) {
    case Cause::Kind::started:
      return "started";
    case Cause::Kind::claimed_at_start:
      return "claimed at start";
    case Cause::Kind::silence:
      return "no other primary is heard";
    case Cause::Kind::priority_zero:
      return "the peer released";
    case Cause::Kind::preempted:
      return "preempted a lower priority";
    case Cause::Kind::better_advertisement:
      return fmt::format("better advertisement on {}", leg());
    case Cause::Kind::link_lost:
      return fmt::format("link of {} lost", leg());
    case Cause::Kind::link_restored:
      return fmt::format("link of {} restored", leg());
    case Cause::Kind::tracked_interface_lost:
      return fmt::format("tracked interface {} lost", settings.tracked_interfaces.at(cause.router).interface);
    case Cause::Kind::tracked_interface_restored:
      return fmt::format("tracked interface {} restored",
                         settings.tracked_interfaces.at(cause.router).interface);
    case Cause::Kind::lateness:
      return "this machine was not run in time";
    case Cause::Kind::released:
      return "released";
    case Cause::Kind::stopped:
      return "stopped";
  }
  return "?";
}

}  // namespace ftfw::vrrp
