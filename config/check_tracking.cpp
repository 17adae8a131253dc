// The rules of what is tracked, and of the routes that follow the primary.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::uint32_t kDefaultMetricIpv6 = 1024;  // Kernel: IP6_RT_PRIO_USER; IPv4: 0

// What the service has another view of than the operator who writes there: systemd.exec(5).
struct HiddenDirectory {
  std::string_view path;
  std::string_view setting;
};
constexpr std::array<HiddenDirectory, 5> kHiddenDirectories{{{"/tmp", "PrivateTmp"},
                                                             {"/var/tmp", "PrivateTmp"},
                                                             {"/home", "ProtectHome"},
                                                             {"/root", "ProtectHome"},
                                                             {"/run/user", "ProtectHome"}}};

void check_tracked_interfaces(const SyncGroup& group, DiagnosticList& diagnostics) {
  const auto& all = group.tracked_interfaces;
  for (auto one = all.begin(); one != all.end(); ++one) {
    if (one->interface.empty()) continue;
    const auto first = std::ranges::find(all, one->interface, &TrackedInterface::interface);
    const auto router = std::ranges::find(group.routers, one->interface, &VirtualRouter::interface);
    if (first != one) {
      diagnostics.error(one->where, fmt::format("{} is tracked already", one->interface),
                        fmt::format("the first stands in line {}", first->where.line));
    } else if (router != group.routers.end()) {
      diagnostics.warning(
          one->where,
          fmt::format("{} is tracked anyway: it is the interface of {}", one->interface, router->name),
          "its loss is a fault of the whole group whatever stands here");
    }
  }
}

void check_in_sight(const TrackedFile& file, DiagnosticList& diagnostics) {
  const std::string path = std::filesystem::path(file.path).lexically_normal().string();
  const auto hidden = std::ranges::find_if(kHiddenDirectories, [&](const HiddenDirectory& one) {
    return path.starts_with(std::string(one.path) + "/");
  });
  if (hidden == kHiddenDirectories.end()) return;
  diagnostics.warning(file.where,
                      fmt::format("as a systemd service the appliance sees nothing of {} ({}=yes)",
                                  hidden->path, hidden->setting),
                      "for example: file = \"/var/lib/ftfw/maintenance\"");
}

void check_tracked_files(const SyncGroup& group, DiagnosticList& diagnostics) {
  const auto& all = group.tracked_files;
  for (auto one = all.begin(); one != all.end(); ++one) {
    if (one->path.empty()) continue;
    const auto first = std::ranges::find(all, one->path, &TrackedFile::path);
    if (first == one) {
      check_in_sight(*one, diagnostics);
      continue;
    }
    diagnostics.error(one->where, fmt::format("{} is tracked already", config::quoted(one->path)),
                      fmt::format("the first stands in line {}", first->where.line));
  }
}

// What the kernel takes for a route without one.
std::uint32_t metric_of(const VirtualRoute& route) {
  return route.metric.value_or(route.to.address.is_ipv4() ? 0 : kDefaultMetricIpv6);
}

// What makes two routes one in the kernel.
bool same_route(const VirtualRoute& a, const VirtualRoute& b) {
  return a.to == b.to && a.table == b.table && metric_of(a) == metric_of(b);
}

// The kernel refuses a next router behind the macvlan, which has no network, and source NAT would not see
// what leaves there.
void check_route_interface(const VirtualRoute& route, const SyncGroup& group, DiagnosticList& diagnostics) {
  if (route.interface.empty()) return;
  const auto router =
      std::ranges::find(group.routers, route.interface, &VirtualRouter::virtual_mac_interface);
  if (router == group.routers.end()) return;
  diagnostics.error(route.interface_where,
                    fmt::format("{} is the interface of the virtual MAC of {}: no route leads there",
                                route.interface, router->name),
                    fmt::format("interface = \"{}\"", router->interface));
}

void check_routes(const SyncGroup& group, DiagnosticList& diagnostics) {
  const auto& all = group.routes;
  for (auto one = all.begin(); one != all.end(); ++one) {
    const auto first =
        std::ranges::find_if(all, [&](const VirtualRoute& other) { return same_route(other, *one); });
    if (first != one) {
      diagnostics.error(
          one->where, fmt::format("a second route to {} in table {}", one->to.to_string(), one->table),
          one->metric == first->metric
              ? fmt::format("the first stands in line {}; a metric tells two apart", first->where.line)
              : fmt::format("the first stands in line {}, and no metric is {}; another one tells two apart",
                            first->where.line, kDefaultMetricIpv6));
    }
    check_route_interface(*one, group, diagnostics);
    if (one->via && is_virtual(*one->via, group)) {
      diagnostics.error(one->where,
                        fmt::format("the route to {} leads to {}, an address of this group",
                                    one->to.to_string(), one->via->to_string()),
                        "'via' is the next router");
    }
    if (one->source && !is_virtual(*one->source, group)) {
      diagnostics.warning(one->source_where,
                          fmt::format("{} is not an address of this group: the route cannot stand without it",
                                      one->source->to_string()),
                          "use a virtual address, or be sure that both nodes have this one");
    }
  }
}

}  // namespace

void check_tracking(const Config& config, DiagnosticList& diagnostics) {
  check_tracked_interfaces(config.group, diagnostics);
  check_tracked_files(config.group, diagnostics);
  check_routes(config.group, diagnostics);
}

}  // namespace ftfw::config
