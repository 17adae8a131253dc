// Named groups and the rules that name them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"

namespace ftfw::config {
namespace {

// One rule of the file becomes one nft rule for each protocol, family and group in it.
constexpr std::size_t kMaxNftRules = 256;

class Checker {
 public:
  Checker(const Firewall& firewall, DiagnosticList& diagnostics)
      : firewall_(firewall), diagnostics_(diagnostics) {
    for (const Group& group : firewall.groups) names_.push_back(group.name);
  }

  void check(const Match& match, const Location& where) {
    check_uses(match.source.groups, false);
    check_uses(match.destination.groups, false);
    check_uses(match.source_ports.groups, true);
    check_uses(match.ports.groups, true);
    check_families(match, where);
    check_size(match, where);
  }

  void report_unused() {
    for (const Group& group : firewall_.groups) {
      if (group.name.empty() || used_.contains(group.name)) continue;
      diagnostics_.warning(group.where, fmt::format("no rule uses the group {}", group.name),
                           fmt::format("rules name it \"@{}\"", group.name));
    }
  }

 private:
  void check_uses(const std::vector<GroupUse>& uses, bool ports) {
    for (const GroupUse& use : uses) {
      const auto group = std::ranges::find(firewall_.groups, use.name, &Group::name);
      if (group != firewall_.groups.end()) {
        used_.insert(use.name);
        if ((group->type == GroupType::ports) == ports) continue;
        diagnostics_.error(use.where,
                           fmt::format("the group {} has {}", use.name,
                                       ports ? "addresses, no ports" : "ports, no addresses"),
                           fmt::format("it stands in line {}", group->where.line));
        continue;
      }
      if (std::ranges::find(names_, std::string_view()) != names_.end()) continue;
      const auto meant = nearest(use.name, names_);
      diagnostics_.error(use.where, fmt::format("there is no group {}", quoted(use.name)),
                         meant ? fmt::format("did you mean \"@{}\"?", *meant)
                               : fmt::format("[[firewall.group]] with name = \"{}\"", use.name));
    }
  }

  bool can_be(const AddressSet& addresses, Family family) const {
    if (addresses.is_any() || !addresses.groups.empty()) return true;
    return std::ranges::any_of(addresses.ranges,
                               [&](const AddressRange& range) { return range.family() == family; });
  }

  // With groups it may become possible when their elements change.
  void check_families(const Match& match, const Location& where) {
    const auto possible = [&](Family family) {
      return can_be(match.source, family) && can_be(match.destination, family) &&
             (match.protocols.empty() || !std::ranges::all_of(match.protocols, [&](std::uint8_t protocol) {
                return protocol == (family == Family::ipv4 ? kProtocolIcmpv6 : kProtocolIcmp);
              }));
    };
    if (possible(Family::ipv4) || possible(Family::ipv6)) return;
    diagnostics_.error(where, "this matches nothing: some of it is IPv4 only, the rest IPv6 only",
                       "the source, the destination and the protocol must have a family in common");
  }

  void check_size(const Match& match, const Location& where) {
    const auto choices = [](const auto& set, std::size_t families) {
      return set.is_any() ? 1 : families * (set.groups.size() + (set.ranges.empty() ? 0 : 1));
    };
    const std::size_t count = std::max<std::size_t>(1, match.protocols.size()) * choices(match.source, 2) *
                              choices(match.destination, 1) * choices(match.source_ports, 1) *
                              choices(match.ports, 1);
    if (count <= kMaxNftRules) return;
    diagnostics_.error(where, fmt::format("this becomes {} nft rules, {} at most", count, kMaxNftRules),
                       "put several groups into one");
  }

  const Firewall& firewall_;
  DiagnosticList& diagnostics_;
  std::vector<std::string_view> names_;
  std::set<std::string> used_;
};

// The set of a group of addresses is named after it and a family (firewall/match.hpp).
void check_set_names(const Firewall& firewall, DiagnosticList& diagnostics) {
  for (const Group& ports : firewall.groups) {
    if (ports.type != GroupType::ports) continue;
    for (const Group& other : firewall.groups) {
      if (other.type == GroupType::ports ||
          (ports.name != other.name + "_v4" && ports.name != other.name + "_v6"))
        continue;
      diagnostics.error(ports.where,
                        fmt::format("the name {} is taken by the set of group {}", ports.name, other.name),
                        fmt::format("that one stands in line {}", other.where.line));
    }
  }
}

}  // namespace

void check_firewall_groups(const Config& config, DiagnosticList& diagnostics) {
  const Firewall& firewall = config.firewall;
  Checker checker(firewall, diagnostics);
  for (const auto* rules : {&firewall.rules, &firewall.services}) {
    for (const PolicyRule& rule : *rules) checker.check(rule.match, rule.where);
  }
  for (const SourceNat& nat : firewall.snats) checker.check(nat.match, nat.where);
  for (const DestinationNat& nat : firewall.dnats) checker.check(nat.match, nat.where);
  checker.report_unused();
  check_set_names(firewall, diagnostics);
}

}  // namespace ftfw::config
