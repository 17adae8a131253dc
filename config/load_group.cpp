// [[sync_group]].
#include <fmt/format.h>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// Each one sends advertisements of its own.
constexpr std::size_t kMaxVirtualRouters = 64;

}  // namespace

SyncGroup read_sync_group(Section& root) {
  SyncGroup group;
  auto sections =
      root.tables({"sync_group", "add [[sync_group]] with a [[sync_group.virtual_router]] for each interface",
                   Need::required},
                  "[[sync_group]]");
  if (sections.empty()) return group;
  for (std::size_t i = 1; i < sections.size(); ++i) {
    root.diagnostics().error(sections[i].where(), "a second sync group: one appliance has one role",
                             "put its virtual routers into the first [[sync_group]]");
  }
  for (std::size_t i = 0; i < sections.size(); ++i) {
    Section& section = sections[i];
    const auto name = section.object_name({"name", "\"G1\""});
    auto routers = section.tables(
        {"virtual_router", "add [[sync_group.virtual_router]] with its interface, id and addresses",
         Need::required},
        "[[sync_group.virtual_router]]", kMaxVirtualRouters);
    if (i == 0) {
      group.name = name ? name->value : "group";
      group.where = section.where();
    }
    for (Section& router : routers) group.routers.push_back(read_virtual_router(router));
    read_tracking(section, group);
    read_routes(section, group);
    section.finish();
  }
  return group;
}

}  // namespace ftfw::config
