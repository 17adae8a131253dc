#include "config/node_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/names.hpp"

namespace ftfw::config {
namespace {

std::string nodes_with_addresses(const std::vector<const Node*>& nodes) {
  std::string text;
  for (const Node* node : nodes) {
    text +=
        fmt::format("{}{} ({})", text.empty() ? "" : ", ", node->name, node->replication_address.to_string());
  }
  return text;
}

// On the first dedicated link or on a further one.
bool is_node(const Config& config, std::size_t index, std::span<const IpAddress> machine_addresses) {
  const auto here = [&](const IpAddress& address) {
    return std::ranges::find(machine_addresses, address) != machine_addresses.end();
  };
  return here(config.nodes[index].replication_address) ||
         std::ranges::any_of(config.replication.further_links, [&](const ReplicationLink& link) {
           return index < link.addresses.size() && here(link.addresses[index]);
         });
}

Result<std::size_t> named(const Config& config, std::string_view wanted) {
  const auto found = std::ranges::find(config.nodes, wanted, &Node::name);
  if (found != config.nodes.end()) return static_cast<std::size_t>(found - config.nodes.begin());
  std::vector<std::string_view> names;
  for (const Node& node : config.nodes) names.push_back(node.name);
  return fail(Blame::configuration, fmt::format("--node {}: there is no such node; the file has {}",
                                                quoted(wanted), listed(names, " and ")));
}

}  // namespace

Result<std::size_t> recognise_node(const Config& config, std::span<const IpAddress> machine_addresses,
                                   std::string_view wanted) {
  if (!wanted.empty()) return named(config, wanted);
  std::vector<const Node*> all;
  std::vector<const Node*> matching;
  for (std::size_t i = 0; i < config.nodes.size(); ++i) {
    all.push_back(&config.nodes[i]);
    if (is_node(config, i, machine_addresses)) matching.push_back(&config.nodes[i]);
  }
  if (matching.size() == 1) return static_cast<std::size_t>(matching.front() - config.nodes.data());
  if (matching.empty()) {
    return fail(Blame::configuration,
                fmt::format("this machine has the replication address of no node: {}; add the "
                            "address to its interface, or say which node it is with --node NAME",
                            nodes_with_addresses(all)));
  }
  return fail(
      Blame::configuration,
      fmt::format("this machine has the replication addresses of several nodes: {}; say which one it is with "
                  "--node NAME",
                  nodes_with_addresses(matching)));
}

}  // namespace ftfw::config
