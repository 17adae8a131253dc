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

bool is_virtual(const IpAddress& address, const SyncGroup& group) {
  for (const VirtualRouter& router : group.routers) {
    const auto same = [&](const VirtualAddress& one) { return one.address.address == address; };
    if (std::ranges::any_of(router.addresses, same) || std::ranges::any_of(router.excluded_addresses, same))
      return true;
  }
  return false;
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

}  // namespace

void check_firewall(const Config& config, DiagnosticList& diagnostics) {
  const Firewall& firewall = config.firewall;
  check_unique(firewall.helpers, "helper", diagnostics);
  check_unique(firewall.counters, "counter", diagnostics);
  check_unique(firewall.flowtables, "flowtable", diagnostics);
  check_counters(firewall, diagnostics);
  check_allowed_helpers(firewall, diagnostics);
  check_snats(config, diagnostics);
  if (!firewall.inside.empty() && firewall.inside == firewall.outside) {
    diagnostics.error(firewall.outside_where, fmt::format("inside and outside are both {}", firewall.inside),
                      "`inside` is where clients are, `outside` where their connections go");
  }
}

}  // namespace ftfw::config
