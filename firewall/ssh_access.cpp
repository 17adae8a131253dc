#include "firewall/ssh_access.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "firewall/explain.hpp"
#include "firewall/presumed.hpp"

namespace ftfw::firewall {
namespace {

// The first of every range that a rule compares senders with: if nobody of these gets in, nobody does.
std::vector<IpAddress> senders_in(const Ruleset& ruleset) {
  std::vector<IpAddress> senders{*IpAddress::parse("198.51.100.1"), *IpAddress::parse("2001:db8::1")};
  const auto add = [&senders](const std::vector<AddressRange>& ranges) {
    for (const AddressRange& range : ranges) senders.push_back(range.first);
  };
  for (const Table& table : ruleset) {
    if (table.kind != TableKind::input) continue;
    for (const SetObject& set : table.sets) add(set.addresses);
    for (const Rule& rule : table.chains.front().rules) {
      for (const Expression& expression : rule.expressions) {
        const auto* match = std::get_if<AddressMatch>(&expression);
        if (match != nullptr && match->side == Side::source) add(match->ranges);
      }
    }
  }
  return senders;
}

Packet login(const std::string& in, const IpAddress& from, const IpAddress& to, std::uint16_t port) {
  return {.in = in, .source = from, .destination = to, .source_port = 40000, .destination_port = port};
}

// Whether a login can succeed, and if not, what stops it.
struct Access {
  bool open = false;
  std::optional<Decision> stopped_by;
};

Access access(const Tables& tables, const Surroundings& surroundings, const Packet& packet) {
  Access access;
  for (const Outcome& outcome : possible_outcomes(tables, surroundings, packet)) {
    if (outcome.fate == Fate::delivered && outcome.packet.destination_port == packet.destination_port)
      access.open = true;
    if (!outcome.passes() && outcome.decisive() != nullptr) access.stopped_by = *outcome.decisive();
    if (!outcome.translations.empty()) access.stopped_by = outcome.translations.front().by;
  }
  return access;
}

Location place_of(const Access& access, const config::Config& config) {
  if (!access.stopped_by) return config.firewall.input ? config.firewall.input->where : Location{};
  const Decision& decision = *access.stopped_by;
  return decision.rule == nullptr ? decision.chain->where : decision.rule->where;
}

// The session's client once more, on a primary and on a standby.
Access access_again(const std::vector<const Tables*>& roles, const Surroundings& surroundings,
                    const Packet& packet) {
  for (const Tables* tables : roles) {
    Access one = access(*tables, surroundings, packet);
    if (!one.open) return one;
  }
  return {.open = true};
}

Access access_of_anybody(const Tables& tables, const Surroundings& surroundings,
                         const std::vector<HeldAddress>& held, const std::vector<IpAddress>& senders,
                         std::uint16_t port) {
  Access last{.open = true};
  for (const HeldAddress& own : held) {
    const IpAddress& address = own.address.address;
    for (const IpAddress& sender : senders) {
      if (address.is_loopback() || sender.family() != address.family()) continue;
      last = access(tables, surroundings, login(own.interface, sender, address, port));
      if (last.open) return last;
    }
  }
  return last;
}

}  // namespace

void check_ssh(const config::Config& config, const Ruleset& ruleset, const Guard& guard,
               const std::vector<HeldAddress>& held, const std::vector<SshUse>& uses,
               config::DiagnosticList& list) {
  std::vector<IpAddress> own;
  for (const HeldAddress& one : held) own.push_back(one.address.address);
  const Surroundings surroundings = presumed_surroundings(config, own);
  const Tables primary = tables_of(ruleset);
  StandbyTables standby;
  fill_standby_tables(standby, ruleset, guard);
  const std::vector<IpAddress> senders = senders_in(ruleset);
  for (const SshUse& use : uses) {
    if (!use.client) {
      const Access found = access_of_anybody(primary, surroundings, held, senders, use.port);
      if (found.open) continue;
      list.warning(
          place_of(found, config),
          fmt::format("an SSH server listens on port {} of this machine: nobody would get in", use.port),
          fmt::format("[[firewall.service]] with protocol = \"tcp\" and ports = [{}]", use.port));
      continue;
    }
    const auto holder =
        std::ranges::find(held, use.local, [](const HeldAddress& one) { return one.address.address; });
    if (holder == held.end() || use.client->is_loopback()) continue;
    const Access found = access_again({&primary, &standby.tables}, surroundings,
                                      login(holder->interface, *use.client, use.local, use.port));
    if (found.open) continue;
    list.warning(place_of(found, config),
                 fmt::format("an SSH session of {} to port {} of this machine stands now: a new one would "
                             "not get in",
                             use.client->to_string(), use.port),
                 fmt::format("[[firewall.service]] with from = \"{}\", source = \"{}\", protocol = \"tcp\" "
                             "and ports = [{}]",
                             holder->interface, use.client->to_string(), use.port));
  }
}

}  // namespace ftfw::firewall
