// [node.*], [vrrp] and [[sync_group]].
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/duration.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::int64_t kMaxPriority = 254;
// The name is the identity on the replication channel; the same limit as a DNS label.
constexpr std::size_t kMaxNodeName = 63;
// RFC 3768 5.3.7: one byte, seconds. RFC 9568 5.2.7: 12 bits, centiseconds.
constexpr Duration kMaxIntervalV2 = 255s;
constexpr Duration kIntervalStepV3 = 10ms;
constexpr Duration kMaxIntervalV3 = 4095 * kIntervalStepV3;
// RFC 9568 5.2.5: the count of addresses is one byte.
constexpr std::size_t kMaxVirtualAddresses = 255;
// Each one sends advertisements of its own.
constexpr std::size_t kMaxVirtualRouters = 64;
constexpr std::array<std::string_view, 1> kAuthenticationTypes{"pass"};

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
  if (const auto value = section.value({"priority", "100"})) {
    const auto number = value->node.as_integer();
    if (number != nullptr && number->get() == 255) {
      value->error("priority 255 claims to own the virtual addresses, which no node of a pair does",
                   fmt::format("1 to {}", kMaxPriority));
    } else if (const auto priority = value->integer(1, kMaxPriority)) {
      node.priority = static_cast<std::uint8_t>(priority->value);
      node.priority_where = priority->where;
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

void read_interval(Section& section, Vrrp& vrrp, bool version_is_known) {
  const auto value = section.value({"advertisement_interval", vrrp.version == 2 ? "\"1s\"" : "\"100ms\""});
  // The versions' own limits are told below, in their words.
  const auto interval = value ? value->duration(0s, Duration::max()) : std::nullopt;
  if (!interval) return;
  const Duration length = interval->value;
  vrrp.advertisement_interval = length;
  vrrp.interval_where = interval->where;
  if (!version_is_known) return;
  const bool fits_v2 = length >= 1s && length <= kMaxIntervalV2 && length % 1s == Duration::zero();
  const bool fits_v3 =
      length >= kIntervalStepV3 && length <= kMaxIntervalV3 && length % kIntervalStepV3 == Duration::zero();
  if (vrrp.version == 2 && !fits_v2) {
    const std::string text =
        fmt::format("VRRP version 2 carries whole seconds from 1s to 255s, not {}", format_duration(length));
    fits_v3 ? value->error(text, "version = 3 carries 10ms to 40.95s") : value->error(text);
  } else if (vrrp.version == 3 && !fits_v3) {
    value->error(fmt::format("VRRP version 3 carries steps of 10ms from 10ms to 40.95s, not {}",
                             format_duration(length)));
  }
}

void read_authentication(Section& section, Vrrp& vrrp) {
  auto authentication = section.table(
      {"authentication", "for example: authentication = { type = \"pass\", password = \"...\" }"},
      "authentication");
  if (!authentication) return;
  if (vrrp.version == 3) {
    section.diagnostics().error(section.where_key("authentication"), "VRRP version 3 has no authentication",
                                "leave `authentication` out, or use version = 2");
  }
  authentication->choice({"type", "\"pass\"", Need::required}, kAuthenticationTypes);
  if (const auto value = authentication->value({"password", "\"...\"", Need::required})) {
    const auto password = value->text();
    if (password && password->value.empty()) {
      value->error("the password is empty", "leave `authentication` out to do without");
    } else if (password) {
      // Longer passwords are cut: the wire has room for 8 bytes (RFC 2338 5.3.10), as in keepalived.
      std::array<std::uint8_t, 8> pass{};
      std::copy_n(password->value.begin(), std::min(pass.size(), password->value.size()), pass.begin());
      vrrp.pass = pass;
      vrrp.pass_where = password->where;
    }
  }
  authentication->finish();
}

VirtualRouter read_virtual_router(Section& section) {
  VirtualRouter router{.where = section.where()};
  const auto name = section.object_name({"name", "\"VI_1\""});
  if (const auto interface = section.interface({"interface", "\"eth1\"", Need::required})) {
    router.interface = interface->value;
    router.interface_where = interface->where;
  }
  if (const auto id = section.integer({"id", "61", Need::required}, 1, 255)) {
    router.id = static_cast<std::uint8_t>(id->value);
    router.id_where = id->where;
  }
  router.name = name ? name->value : fmt::format("{}-{}", router.interface, router.id);
  for (const Value& value :
       section.list({"addresses", "[\"192.168.2.100\"]", Need::required}, kMaxVirtualAddresses)) {
    const auto address = value.prefix();
    if (!address || !check_usable(address->value.address, value)) continue;
    router.addresses.push_back({.address = address->value, .where = address->where});
  }
  section.finish();
  return router;
}

}  // namespace

bool check_usable(const IpAddress& address, const Value& value) {
  const IpAddress broadcast = IpAddress::ipv4({255, 255, 255, 255});
  std::string_view why;
  if (address.is_unspecified()) why = "the unspecified address";
  if (address.is_loopback()) why = "a loopback address";
  if (address.is_multicast()) why = "a multicast address";
  if (address == broadcast) why = "the broadcast address";
  if (why.empty()) return true;
  value.error(fmt::format("{} is {}", address.to_string(), why));
  return false;
}

std::vector<Node> read_nodes(Section& root) {
  std::vector<Node> nodes;
  auto section = root.table(
      {"node", "add two sections [node.NAME], each with its replication_address", Need::required}, "[node]");
  if (!section) return nodes;
  for (auto& [name, node] : section->named_tables()) nodes.push_back(read_node(name, node));
  return nodes;
}

Vrrp read_vrrp(Section& root) {
  Vrrp vrrp;
  auto section = root.table({"vrrp", "for example: [vrrp]"}, "[vrrp]");
  if (!section) return vrrp;
  const auto version = section->integer({"version", "3"}, 2, 3);
  if (version) vrrp.version = static_cast<std::uint8_t>(version->value);
  const bool version_is_known = version || !section->has("version");
  read_interval(*section, vrrp, version_is_known);
  if (version_is_known) {
    read_authentication(*section, vrrp);
  } else {
    section->value({"authentication", ""});
  }
  if (const auto preempt = section->flag({"preempt", "true"})) vrrp.preempt = preempt->value;
  if (const auto wait = section->duration({"sync_wait", "\"60s\""}, 0s, 1h)) vrrp.sync_wait = wait->value;
  section->finish();
  return vrrp;
}

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
    section.finish();
  }
  return group;
}

}  // namespace ftfw::config
