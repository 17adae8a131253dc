// The rules between the firewall's objects, its rules, its protection and the virtual MACs.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "config/firewall_sections.hpp"
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

// A name that nothing has, said once for each place that uses it. An object whose name could not be read may
// be the one that is meant.
template <typename Object>
void check_use(const std::string& name, const Location& where, const std::vector<Object>& objects,
               std::string_view kind, DiagnosticList& diagnostics) {
  if (name.empty()) return;
  std::vector<std::string_view> names;
  for (const Object& object : objects) names.push_back(object.name);
  if (std::ranges::find(names, name) != names.end() ||
      std::ranges::find(names, std::string_view()) != names.end())
    return;
  const auto meant = nearest(name, names);
  diagnostics.error(where, fmt::format("there is no {} {}", kind, quoted(name)),
                    meant ? fmt::format("did you mean \"{}\"?", *meant)
                          : fmt::format("[[firewall.{}]] with name = \"{}\"", kind, name));
}

void check_uses(const Firewall& firewall, DiagnosticList& diagnostics) {
  for (const Flowtable& flowtable : firewall.flowtables)
    check_use(flowtable.counter, flowtable.counter_where, firewall.counters, "counter", diagnostics);
  for (const auto* rules : {&firewall.rules, &firewall.services}) {
    for (const PolicyRule& rule : *rules) {
      check_use(rule.counter, rule.counter_where, firewall.counters, "counter", diagnostics);
      check_use(rule.flowtable, rule.flowtable_where, firewall.flowtables, "flowtable", diagnostics);
    }
  }
}

// Which of them belong to the rule is said in one place only.
void check_flow_selection(const Firewall& firewall, DiagnosticList& diagnostics) {
  for (const PolicyRule& rule : firewall.rules) {
    const auto flowtable = std::ranges::find(firewall.flowtables, rule.flowtable, &Flowtable::name);
    if (rule.flowtable.empty() || flowtable == firewall.flowtables.end()) continue;
    if (flowtable->flows == FlowSelection::rules) continue;
    diagnostics.error(
        rule.flowtable_where, fmt::format("flowtable {} chooses its flows itself", quoted(flowtable->name)),
        fmt::format("flows = \"rules\" in the [[firewall.flowtable]] in line {}", flowtable->where.line));
  }
}

void check_rule_helpers(const Firewall& firewall, DiagnosticList& diagnostics) {
  for (const PolicyRule& rule : firewall.rules) {
    if (rule.helper.empty()) continue;
    const std::vector<KernelHelper> known = kernel_helpers(rule.helper);
    const std::string_view through = known.empty() ? std::string_view() : known.front().through;
    const bool assigned = std::ranges::any_of(firewall.helpers, [&](const Helper& helper) {
      return helper.type == rule.helper || helper.type == through || helper.type.empty();
    });
    if (assigned) continue;
    diagnostics.warning(rule.helper_where,
                        fmt::format("no [[firewall.helper]] assigns \"{}\": this {} matches nothing",
                                    rule.helper, rule.verdict == Verdict::allow ? "allow" : "rule"),
                        "the kernel assigns no helper by itself (since 6.0)");
  }
}

// What comes to a virtual MAC comes in above the interface, where the way back to nobody leads.
void check_input(const Config& config, DiagnosticList& diagnostics) {
  const Firewall& firewall = config.firewall;
  if (!firewall.input) {
    if (!firewall.services.empty())
      diagnostics.warning(firewall.services.front().where, "without [firewall.input] every service is open",
                          "[firewall.input] closes the firewall itself but for its services");
    return;
  }
  if (firewall.services.empty()) {
    diagnostics.warning(firewall.input->where,
                        "without a [[firewall.service]] nobody can log in over the network",
                        "for example: [[firewall.service]] with protocol = \"tcp\" and ports = [22]");
  }
  const bool virtual_mac = std::ranges::any_of(config.group.routers, [](const VirtualRouter& router) {
    return !router.virtual_mac_interface.empty();
  });
  if (virtual_mac && firewall.input->reverse_path == ReversePath::strict) {
    diagnostics.error(
        firewall.input->reverse_path_where,
        "\"strict\" drops what is sent to a virtual MAC: the way back does not lead through its interface",
        "reverse_path = \"loose\"");
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
  check_unique(firewall.groups, "group", diagnostics);
  check_uses(firewall, diagnostics);
  check_flow_selection(firewall, diagnostics);
  check_rule_helpers(firewall, diagnostics);
  check_firewall_groups(config, diagnostics);
  check_nat(config, diagnostics);
  check_input(config, diagnostics);
  check_flowtable_devices(config, diagnostics);
  if (!firewall.inside.empty() && firewall.inside == firewall.outside) {
    diagnostics.error(firewall.outside_where, fmt::format("inside and outside are both {}", firewall.inside),
                      "`inside` is where clients are, `outside` where their connections go");
  }
}

}  // namespace ftfw::config
