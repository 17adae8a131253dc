// Address translation and the sync group: what is translated to an address that does not move along is lost
// in a takeover.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/firewall_sections.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// A range of more addresses than a group can have is not one of virtual addresses.
constexpr std::size_t kMostVirtual = 255;

// The first address of the range that is not a virtual one.
std::optional<IpAddress> not_virtual(const AddressRange& range, const SyncGroup& group) {
  IpAddress address = range.first;
  for (std::size_t seen = 0; seen < kMostVirtual; ++seen) {
    if (!is_virtual(address, group)) return address;
    if (address == range.last) return std::nullopt;
    const auto next = successor(address);
    if (!next) return std::nullopt;
    address = *next;
  }
  return address;
}

void check_source_nat(const SourceNat& nat, const SyncGroup& group, DiagnosticList& diagnostics) {
  if (!nat.to) return;
  const auto lost = not_virtual(*nat.to, group);
  if (!lost) return;
  diagnostics.warning(
      nat.to_where,
      fmt::format("{} is not a virtual address: flows translated to it cannot survive a takeover",
                  lost->to_string()),
      "translate to an address of a [[sync_group.virtual_router]]");
}

// The kernel takes the first address of the interface: the node's own.
void check_masquerade(const SourceNat& nat, const SyncGroup& group, DiagnosticList& diagnostics) {
  if (!nat.masquerade) return;
  if (nat.match.to.empty()) {
    diagnostics.error(nat.where, "a masquerade names the interfaces where its packets leave",
                      "for example: out = \"ppp0\"");
  }
  for (const NamedInterface& out : nat.match.to) {
    const auto router = std::ranges::find_if(group.routers, [&](const VirtualRouter& one) {
      return one.interface == out.name || one.virtual_mac_interface == out.name;
    });
    if (router == group.routers.end()) continue;
    const auto address = router->addresses.empty() ? std::string("ADDRESS")
                                                   : router->addresses.front().address.address.to_string();
    diagnostics.error(
        out.where,
        fmt::format("masqueraded flows cannot survive a takeover: they get this node's own address on {}",
                    out.name),
        fmt::format("[[firewall.snat]] with out = \"{}\" and to = \"{}\"", out.name, address));
  }
}

}  // namespace

void check_nat(const Config& config, DiagnosticList& diagnostics) {
  for (const SourceNat& nat : config.firewall.snats) {
    check_source_nat(nat, config.group, diagnostics);
    check_masquerade(nat, config.group, diagnostics);
  }
}

}  // namespace ftfw::config
