// [firewall] with its objects: helpers, counters, flowtables, log.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::array<std::string_view, 2> kForwardPolicies{"accept", "drop"};
constexpr std::array<ForwardPolicy, 2> kForwardPolicyValues{ForwardPolicy::accept, ForwardPolicy::drop};
constexpr std::array<std::string_view, 3> kFlowtableModes{"auto", "require", "off"};
constexpr std::array<FlowtableMode, 3> kFlowtableModeValues{FlowtableMode::automatic, FlowtableMode::require,
                                                            FlowtableMode::off};
constexpr std::array<std::string_view, 3> kFlows{"expected", "established", "rules"};
constexpr std::array<FlowSelection, 3> kFlowsValues{FlowSelection::expected, FlowSelection::established,
                                                    FlowSelection::rules};
constexpr std::array<std::string_view, 2> kEstablished{"last", "first"};

void check_helper_protocol(const Value& value, const Helper& helper, const std::vector<KernelHelper>& known) {
  if (std::ranges::find(known, helper.protocol, &KernelHelper::protocol) != known.end()) return;
  value.error(fmt::format("the kernel's helper \"{}\" does not work on {}", helper.type,
                          protocol_name(helper.protocol)),
              fmt::format("protocol = \"{}\"", protocol_name(known.front().protocol)));
}

// type, protocol and port depend on each other: the kernel registers a helper for certain protocols only.
void read_helper_type(Section& section, Helper& helper) {
  const auto value = section.value({"type", "\"ftp\"", Need::required});
  const auto type = value ? value->text("a helper's name in quotes") : std::nullopt;
  const std::vector<KernelHelper> known = kernel_helpers(type ? type->value : "");
  if (!known.empty() && !known.front().through.empty()) {
    value->error(fmt::format("the kernel assigns {} itself, to connections that {} expects", type->value,
                             known.front().through),
                 fmt::format("type = \"{}\"", known.front().through));
  } else if (!known.empty()) {
    helper.type = known.front().name;
    helper.protocol = known.front().protocol;
    helper.port = known.front().port;
  } else if (type) {
    const auto meant = nearest(type->value, kernel_helper_names());
    value->error(fmt::format("the kernel has no helper {}", quoted(type->value)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant)
                       : fmt::format("it has {}", listed(kernel_helper_names(), " and ")));
  }
  if (const auto port = section.integer({"port", "21"}, 1, 65535))
    helper.port = static_cast<std::uint16_t>(port->value);
  if (const auto written = section.value({"protocol", "\"tcp\""})) {
    const auto protocol = written->protocol();
    if (protocol) helper.protocol = protocol->value;
    if (protocol && !known.empty()) check_helper_protocol(*written, helper, known);
  }
}

Helper read_helper(Section& section) {
  Helper helper{.where = section.where()};
  const auto name = section.object_name({"name", "\"ftp-std\"", Need::required});
  if (name) helper.name = name->value;
  read_helper_type(section, helper);
  if (const auto value = section.value({"server", "\"192.168.0.3\""})) {
    const auto server = value->prefix();
    if (server && check_host_bits(server->value, *value)) helper.server = server->value;
  }
  section.finish();
  return helper;
}

Counter read_counter(Section& section) {
  Counter counter{.where = section.where()};
  if (const auto name = section.object_name({"name", "\"counter_exp\"", Need::required}))
    counter.name = name->value;
  section.finish();
  return counter;
}

Flowtable read_flowtable(Section& section) {
  Flowtable flowtable{.where = section.where()};
  if (const auto name = section.object_name({"name", "\"flow_exp\"", Need::required}))
    flowtable.name = name->value;
  for (const Value& value : section.list({"devices", "[\"eth0\"]", Need::required})) {
    const auto device = value.interface();
    if (!device) continue;
    if (std::ranges::find(flowtable.devices, device->value) != flowtable.devices.end()) {
      value.error(fmt::format("{} stands in the list already", device->value), "");
      continue;
    }
    flowtable.devices.push_back(device->value);
    flowtable.devices_where.push_back(device->where);
  }
  if (const auto flows = section.choice({"flows", "\"expected\""}, kFlows))
    flowtable.flows = kFlowsValues.at(flows->value);
  if (const auto counter = section.object_name({"counter", "\"counter_exp\""})) {
    flowtable.counter = counter->value;
    flowtable.counter_where = counter->where;
  }
  if (const auto mode = section.choice({"mode", "\"auto\""}, kFlowtableModes)) {
    flowtable.mode = kFlowtableModeValues.at(mode->value);
  }
  section.finish();
  return flowtable;
}

void read_invalid_log(Section& firewall, Firewall& out) {
  auto section =
      firewall.table({"log", "for example: [firewall.log] with invalid = \"PREFIX: \""}, "[firewall.log]");
  if (!section) return;
  const auto value = section->value({"invalid", "\"FORWARD-INVALID: \""});
  section->finish();
  if (!value) return;
  out.log_invalid = read_log_prefix(*value);
  out.log_where = value->where();
}

}  // namespace

Firewall read_firewall(Section& root, const ReadFile& read_file) {
  Firewall firewall;
  auto section = root.table(
      {"firewall", "add [firewall] with the interfaces inside and outside", Need::required}, "[firewall]");
  if (!section) return firewall;
  if (const auto policy = section->choice({"forward_policy", "\"drop\""}, kForwardPolicies)) {
    firewall.forward_policy = kForwardPolicyValues.at(policy->value);
  }
  if (const auto place = section->choice({"established", "\"first\""}, kEstablished)) {
    firewall.established = place->value == 0 ? EstablishedPlace::last : EstablishedPlace::first;
  }
  if (const auto counters = section->flag({"counters", "true"})) firewall.count_rules = counters->value;
  if (const auto repair = section->flag({"repair", "true"})) firewall.repair = repair->value;
  if (const auto inside = section->interface({"inside", "\"eth1\"", Need::required})) {
    firewall.inside = inside->value;
    firewall.inside_where = inside->where;
  }
  if (const auto outside = section->interface({"outside", "\"eth0\"", Need::required})) {
    firewall.outside = outside->value;
    firewall.outside_where = outside->where;
  }
  for (Section& one : section->tables({"helper", ""}, "[[firewall.helper]]")) {
    firewall.helpers.push_back(read_helper(one));
  }
  for (Section& one : section->tables({"counter", ""}, "[[firewall.counter]]")) {
    firewall.counters.push_back(read_counter(one));
  }
  for (Section& one : section->tables({"flowtable", ""}, "[[firewall.flowtable]]")) {
    firewall.flowtables.push_back(read_flowtable(one));
  }
  firewall.groups = read_groups(*section, read_file);
  firewall.rules = read_rules(*section, firewall.inside);
  read_invalid_log(*section, firewall);
  firewall.snats = read_source_nats(*section);
  firewall.dnats = read_destination_nats(*section);
  firewall.input = read_input(*section);
  firewall.services = read_services(*section, firewall.inside);
  section->finish();
  return firewall;
}

}  // namespace ftfw::config
