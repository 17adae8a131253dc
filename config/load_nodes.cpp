// [node.*].
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::int64_t kPriorityOwner = 255;  // RFC 9568 5.2.4
// The name is the identity on the replication channel; the same limit as a DNS label.
constexpr std::size_t kMaxNodeName = 63;

bool valid_node_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNodeName && std::ranges::all_of(name, allowed);
}

Node read_node(const std::string& name, Section& section) {
  Node node{.name = name, .where = section.where()};
  if (!valid_node_name(name)) {
    section.diagnostics().error(section.where(), fmt::format("a node cannot be named {}", quoted(name)),
                                "letters, digits, '-', '_' and '.', 63 at most");
  }
  if (const auto priority = section.integer({"priority", "100"}, 1, kPriorityOwner)) {
    node.priority = static_cast<std::uint8_t>(priority->value);
    node.priority_where = priority->where;
    if (priority->value == kPriorityOwner) {
      section.diagnostics().warning(priority->where,
                                    "a node of priority 255 claims at once at its start, before it has the "
                                    "flows of the others",
                                    "1 to 254: such a node listens first");
    }
  }
  if (const auto value = section.value({"replication_address", "\"192.168.100.100\"", Need::required})) {
    const auto address = value->address();
    if (address && check_usable(address->value, *value)) {
      node.replication_address = address->value;
      node.replication_address_where = address->where;
    }
  }
  section.finish();
  return node;
}

}  // namespace

std::vector<Node> read_nodes(Section& root) {
  std::vector<Node> nodes;
  auto section = root.table(
      {"node", "add two to eight sections [node.NAME], each with its replication_address", Need::required},
      "[node]");
  if (!section) return nodes;
  for (auto& [name, node] : section->named_tables()) nodes.push_back(read_node(name, node));
  return nodes;
}

}  // namespace ftfw::config
