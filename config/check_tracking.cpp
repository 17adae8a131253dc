// The rules of what is tracked, and of the routes that follow the primary.
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

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

void check_tracked_files(const SyncGroup& group, DiagnosticList& diagnostics) {
  const auto& all = group.tracked_files;
  for (auto one = all.begin(); one != all.end(); ++one) {
    if (one->path.empty()) continue;
    const auto first = std::ranges::find(all, one->path, &TrackedFile::path);
    if (first == one) continue;
    diagnostics.error(one->where, fmt::format("{} is tracked already", quoted(one->path)),
                      fmt::format("the first stands in line {}", first->where.line));
  }
}

// What makes two routes one in the kernel.
bool same_route(const VirtualRoute& a, const VirtualRoute& b) {
  return a.to == b.to && a.table == b.table && a.metric == b.metric;
}

void check_routes(const SyncGroup& group, DiagnosticList& diagnostics) {
  const auto& all = group.routes;
  for (auto one = all.begin(); one != all.end(); ++one) {
    const auto first =
        std::ranges::find_if(all, [&](const VirtualRoute& other) { return same_route(other, *one); });
    if (first != one) {
      diagnostics.error(
          one->where, fmt::format("a second route to {} in table {}", one->to.to_string(), one->table),
          fmt::format("the first stands in line {}; a metric tells two apart", first->where.line));
    }
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
