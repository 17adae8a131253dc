// The rules between the firewall's objects, its rules and the virtual addresses.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// Names are unique per kind of object, as in the kernel.
template <typename Object>
void check_unique(const std::vector<Object>& objects, std::string_view kind, DiagnosticList& diagnostics) {
  for (auto object = objects.begin(); object != objects.end(); ++object) {
    if (object->name.empty()) continue;
    const auto first = std::ranges::find(objects, object->name, &Object::name);
    if (first == object) continue;
    diagnostics.error(object->where, fmt::format("a second {} named {}", kind, quoted(object->name)),
                      fmt::format("the first stands in line {}", first->where.line));
  }
}

void check_counters(const Firewall& firewall, DiagnosticList& diagnostics) {
  std::vector<std::string_view> names;
  for (const Counter& counter : firewall.counters) names.push_back(counter.name);
  for (const Flowtable& flowtable : firewall.flowtables) {
    if (flowtable.counter.empty() || std::ranges::find(names, flowtable.counter) != names.end()) continue;
    // A counter whose name could not be read may be the one that is meant.
    if (std::ranges::find(names, std::string_view()) != names.end()) continue;
    const auto meant = nearest(flowtable.counter, names);
    diagnostics.error(flowtable.counter_where,
                      fmt::format("there is no counter {}", quoted(flowtable.counter)),
                      meant ? fmt::format("did you mean \"{}\"?", *meant)
                            : fmt::format("[[firewall.counter]] with name = \"{}\"", flowtable.counter));
  }
}

void check_allowed_helpers(const Firewall& firewall, DiagnosticList& diagnostics) {
  for (const Allow& allow : firewall.allows) {
    if (allow.helper.empty()) continue;
    const bool assigned = std::ranges::any_of(firewall.helpers, [&](const Helper& helper) {
      return helper.type == allow.helper || helper.type.empty();
    });
    if (assigned) continue;
    diagnostics.warning(
        allow.helper_where,
        fmt::format("no [[firewall.helper]] assigns \"{}\": this allow matches nothing", allow.helper),
        "the kernel assigns no helper by itself (since 6.0)");
  }
}

void check_snats(const Config& config, DiagnosticList& diagnostics) {
  for (const SourceNat& snat : config.firewall.snats) {
    if (snat.to_where.line == 0 || is_virtual(snat.to, config.group)) continue;
    diagnostics.warning(
        snat.to_where,
        fmt::format("{} is not a virtual address: flows translated to it cannot survive a takeover",
                    snat.to.to_string()),
        "translate to an address of a [[sync_group.virtual_router]]");
  }
}

// What is sent to the virtual MAC comes in on its own interface, where the flowtable has no hook.
void check_flowtable_devices(const Config& config, DiagnosticList& diagnostics) {
  for (const Flowtable& flowtable : config.firewall.flowtables) {
    if (flowtable.mode == FlowtableMode::off) continue;
    for (std::size_t i = 0; i < flowtable.devices.size(); ++i) {
      const auto router = std::ranges::find_if(config.group.routers, [&](const VirtualRouter& one) {
        return one.interface == flowtable.devices[i] && !one.virtual_mac_interface.empty();
      });
      if (router == config.group.routers.end()) continue;
      diagnostics.warning(
          flowtable.devices_where[i],
          fmt::format("packets to the virtual MAC of {} arrive on {} and not on {}: the fast path does not "
                      "see them",
                      router->name, router->virtual_mac_interface, router->interface),
          "virtual_mac = false, or leave the device out");
    }
  }
}

}  // namespace

void check_firewall(const Config& config, DiagnosticList& diagnostics) {
  const Firewall& firewall = config.firewall;
  check_unique(firewall.helpers, "helper", diagnostics);
  check_unique(firewall.counters, "counter", diagnostics);
  check_unique(firewall.flowtables, "flowtable", diagnostics);
  check_counters(firewall, diagnostics);
  check_allowed_helpers(firewall, diagnostics);
  check_snats(config, diagnostics);
  check_flowtable_devices(config, diagnostics);
  if (!firewall.inside.empty() && firewall.inside == firewall.outside) {
    diagnostics.error(firewall.outside_where, fmt::format("inside and outside are both {}", firewall.inside),
                      "`inside` is where clients are, `outside` where their connections go");
  }
}

}  // namespace ftfw::config
