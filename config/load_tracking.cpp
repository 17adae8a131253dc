// [[sync_group.track_interface]], [[sync_group.track_file]] and [[sync_group.route]].
#include <fmt/format.h>

#include <limits>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kMaxTracked = 64;
constexpr std::size_t kMaxRoutes = 256;
// The distance between the least and the greatest priority of a node that is not the owner.
constexpr std::int64_t kMaxWeight = 253;
constexpr std::int64_t kMaxUint32 = std::numeric_limits<std::uint32_t>::max();
// RFC 791 and RFC 8200: what every link must carry. 65535 is the longest packet.
constexpr std::int64_t kMinMtuIpv4 = 68;
constexpr std::int64_t kMinMtuIpv6 = 1280;
constexpr std::int64_t kMaxMtu = 65535;

std::optional<int> read_weight(Section& section, std::string_view example) {
  const auto value = section.value({"weight", example});
  const auto weight = value ? value->integer(-kMaxWeight, kMaxWeight) : std::nullopt;
  if (!weight) return std::nullopt;
  if (weight->value == 0) {
    value->error("a weight of 0 changes nothing");
    return std::nullopt;
  }
  return static_cast<int>(weight->value);
}

TrackedInterface read_tracked_interface(Section& section) {
  TrackedInterface tracked{.where = section.where()};
  if (const auto interface = section.interface({"interface", "\"eth3\"", Need::required})) {
    tracked.interface = interface->value;
    tracked.where = interface->where;
  }
  tracked.weight = read_weight(section, "-30");
  if (const auto delay = section.duration({"up_delay", "\"5s\""}, 0s, kMaxUpDelay))
    tracked.up_delay = delay->value;
  section.finish();
  return tracked;
}

TrackedFile read_tracked_file(Section& section) {
  TrackedFile tracked{.where = section.where()};
  if (const auto value = section.value({"file", "\"/var/lib/ftfw/maintenance\"", Need::required})) {
    const auto path = value->text("a path in quotes");
    if (path && (!path->value.starts_with('/') || path->value.find('\0') != std::string::npos)) {
      value->error(fmt::format("'file' must be an absolute path, found {}", quoted(path->value)));
    } else if (path) {
      tracked.path = path->value;
      tracked.where = path->where;
    }
  }
  tracked.weight = read_weight(section, "-1").value_or(tracked.weight);
  section.finish();
  return tracked;
}

IpPrefix default_route(Family family) {
  return {family == Family::ipv4 ? IpAddress::ipv4({}) : IpAddress::ipv6({}), 0};
}

// Nothing where `to` is not readable. The family of "default" is that of `via`.
std::optional<IpPrefix> read_destination(Section& section, const VirtualRoute& route) {
  const auto value = section.value({"to", "\"default\"", Need::required});
  if (!value) return std::nullopt;
  if (value->node.value<std::string_view>() == "default")
    return default_route(route.via ? route.via->family() : Family::ipv4);
  const auto written = value->text("\"default\" or a prefix in quotes");
  if (!written) return std::nullopt;
  const auto prefix = value->prefix();
  if (!prefix || !check_host_bits(prefix->value, *value)) return std::nullopt;
  if (route.via && route.via->family() != prefix->value.address.family()) {
    value->error(fmt::format("{} cannot be reached by way of {}: two address families",
                             prefix->value.to_string(), route.via->to_string()),
                 "");
    return std::nullopt;
  }
  return prefix->value;
}

void read_way(Section& section, VirtualRoute& route) {
  const auto via = section.value({"via", "\"192.168.0.1\""});
  if (const auto address = via ? via->address() : std::nullopt) {
    if (check_usable(address->value, *via)) route.via = address->value;
  }
  if (const auto interface = section.interface({"interface", "\"eth0\""})) {
    route.interface = interface->value;
    route.interface_where = interface->where;
  }
  if (!section.has("via") && !section.has("interface")) {
    section.diagnostics().error(section.where(), "a route needs 'via' or 'interface'",
                                "for example: via = \"192.168.0.1\"");
  }
  if (route.via && !route.via->is_ipv4() && route.via->is_link_local() && !section.has("interface")) {
    via->error(fmt::format("{} is link-local: the route needs 'interface' too", route.via->to_string()),
               "for example: interface = \"eth0\"");
  }
}

void read_mtu(Section& section, VirtualRoute& route) {
  const bool ipv6 = !route.to.address.is_ipv4();
  const auto mtu = section.integer({"mtu", "1400"}, ipv6 ? kMinMtuIpv6 : kMinMtuIpv4, kMaxMtu);
  if (mtu) route.mtu = static_cast<std::uint32_t>(mtu->value);
}

// Nothing if it has no readable destination: rules between routes would be about a default.
std::optional<VirtualRoute> read_route(Section& section) {
  VirtualRoute route{.where = section.where()};
  read_way(section, route);
  const auto destination = read_destination(section, route);
  if (destination) route.to = *destination;
  if (const auto value = section.value({"source", "\"192.168.0.100\""})) {
    const auto source = value->address();
    if (source && check_usable(source->value, *value)) {
      route.source = source->value;
      route.source_where = source->where;
    }
    if (route.source && destination && route.source->family() != destination->address.family()) {
      value->error(fmt::format("the source {} and the route to {} are of two address families",
                               route.source->to_string(), destination->to_string()),
                   "");
    }
  }
  if (const auto table = section.integer({"table", "254"}, 1, kMaxUint32))
    route.table = static_cast<std::uint32_t>(table->value);
  if (const auto metric = section.integer({"metric", "100"}, 1, kMaxUint32))
    route.metric = static_cast<std::uint32_t>(metric->value);
  read_mtu(section, route);
  section.finish();
  return destination ? std::optional(std::move(route)) : std::nullopt;
}

}  // namespace

void read_tracking(Section& section, SyncGroup& group) {
  for (Section& one : section.tables({"track_interface", ""}, "[[sync_group.track_interface]]", kMaxTracked))
    group.tracked_interfaces.push_back(read_tracked_interface(one));
  for (Section& one : section.tables({"track_file", ""}, "[[sync_group.track_file]]", kMaxTracked))
    group.tracked_files.push_back(read_tracked_file(one));
}

void read_routes(Section& section, SyncGroup& group) {
  for (Section& one : section.tables({"route", ""}, "[[sync_group.route]]", kMaxRoutes)) {
    if (auto route = read_route(one)) group.routes.push_back(std::move(*route));
  }
}

}  // namespace ftfw::config
