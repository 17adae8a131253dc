// [[sync_group.virtual_router]].
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// RFC 9568 5.2.5: the count of addresses is one byte.
constexpr std::size_t kMaxVirtualAddresses = 255;
// The nodes, and other routers of the group while they are replaced.
constexpr std::size_t kMaxUnicast = 16;
constexpr std::size_t kFewestUnicast = 2;
constexpr std::size_t kMaxAllowedSources = 64;
constexpr std::size_t kMaxLabel = 15;  // Kernel: IFNAMSIZ with its final zero
constexpr std::array<std::string_view, 3> kScopes{"global", "link", "host"};
constexpr std::array<AddressScope, 3> kScopeValues{AddressScope::global, AddressScope::link,
                                                   AddressScope::host};

// The label under which old tools (ifconfig) show the address. That it begins with the interface is checked
// later: which interface it is depends on the addresses.
void read_label(Section& section, VirtualAddress& address) {
  const auto value = section.value({"label", "\"eth1:vip\""});
  const auto label = value ? value->text() : std::nullopt;
  if (!label) return;
  const std::string& text = label->value;
  const auto printable = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != '"'; };
  if (text.size() > kMaxLabel) {
    value->error(
        fmt::format("the label {} has {} bytes, the kernel allows {}", quoted(text), text.size(), kMaxLabel));
  } else if (text.empty() || !std::ranges::all_of(text, printable)) {
    value->error(fmt::format("{} is no label", quoted(text)));
  } else {
    address.label = text;
    address.label_where = label->where;
  }
}

// "192.168.2.100", or { address = "192.168.2.100/24", scope = "link", label = "eth1:vip" }.
void read_address(const Value& value, std::vector<VirtualAddress>& addresses) {
  VirtualAddress read{.where = value.where()};
  const toml::table* table = value.node.as_table();
  if (table == nullptr) {
    const auto prefix = value.prefix();
    if (!prefix || !check_usable(prefix->value.address, value)) return;
    read.address = prefix->value;
    addresses.push_back(std::move(read));
    return;
  }
  Section section(*table, value.label(), value.where(), value.diagnostics);
  bool usable = false;
  if (const auto address = section.value({"address", "\"192.168.2.100/24\"", Need::required})) {
    const auto prefix = address->prefix();
    usable = prefix && check_usable(prefix->value.address, *address);
    if (usable) read.address = prefix->value;
    if (usable) read.where = prefix->where;
  }
  const bool ipv6 = usable && !read.address.address.is_ipv4();
  if (const auto scope = section.choice({"scope", "\"link\""}, kScopes)) {
    read.scope = kScopeValues.at(scope->value);
    if (ipv6) {
      section.diagnostics().warning(
          scope->where, "the scope of an IPv6 address follows from the address, ignoring this one",
          "leave `scope` out");
    }
  }
  read_label(section, read);
  if (ipv6 && !read.label.empty())
    section.diagnostics().error(read.label_where, "IPv6 addresses have no labels", "leave `label` out");
  section.finish();
  if (usable) addresses.push_back(std::move(read));
}

void read_virtual_mac(Section& section, VirtualRouter& router) {
  const auto flag = section.flag({"virtual_mac", "true"});
  const auto name = section.interface({"virtual_mac_interface", "\"vrrp.61\""});
  if (flag && flag->value) {
    router.virtual_mac_where = name ? name->where : flag->where;
    router.virtual_mac_interface =
        name ? name->value
             : fmt::format("{}.{}", router.family() == Family::ipv6 ? "vrrp6" : "vrrp", router.id);
  } else if (name && (flag || !section.has("virtual_mac"))) {
    section.diagnostics().error(name->where, "an interface for a virtual MAC, which is not used here",
                                "virtual_mac = true, or leave 'virtual_mac_interface' out");
  }
}

// Addresses of routers on the link. How many the file lists, readable or not.
std::size_t read_neighbours(Section& section, Key key, std::size_t most, std::vector<IpAddress>& addresses,
                            std::vector<Location>& places) {
  const std::vector<Value> listed = section.list(key, most);
  for (const Value& value : listed) {
    const auto address = value.address();
    if (!address || !check_usable(address->value, value)) continue;
    if (std::ranges::find(addresses, address->value) != addresses.end()) {
      value.error(fmt::format("{} stands in the list already", address->value.to_string()), "");
      continue;
    }
    addresses.push_back(address->value);
    places.push_back(address->where);
  }
  return listed.size();
}

void read_unicast(Section& section, VirtualRouter& router) {
  const std::size_t count = read_neighbours(section, {"unicast", "[\"192.168.2.1\", \"192.168.2.2\"]"},
                                            kMaxUnicast, router.unicast, router.unicast_where);
  if (count == 0 || count >= kFewestUnicast) return;
  section.diagnostics().error(section.where_key("unicast"), "'unicast' has one address",
                              "list all nodes: one file serves all of them, and each skips itself");
}

}  // namespace

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
  for (const Value& value :
       section.list({"addresses", "[\"192.168.2.100\"]", Need::required}, kMaxVirtualAddresses)) {
    read_address(value, router.addresses);
  }
  for (const Value& value : section.list({"excluded_addresses", "[\"fd00:2::100/64\"]"})) {
    read_address(value, router.excluded_addresses);
  }
  const std::string_view family = router.family() == Family::ipv6 ? "-ipv6" : "";
  router.name = name ? name->value : fmt::format("{}-{}{}", router.interface, router.id, family);
  read_virtual_mac(section, router);
  read_unicast(section, router);
  read_neighbours(section, {"allowed_sources", "[\"192.168.2.1\", \"192.168.2.2\"]"}, kMaxAllowedSources,
                  router.allowed_sources, router.allowed_sources_where);
  if (const auto delay = section.duration({"up_delay", "\"5s\""}, 0s, kMaxUpDelay))
    router.up_delay = delay->value;
  section.finish();
  return router;
}

}  // namespace ftfw::config
