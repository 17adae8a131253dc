#include "appliance/control/rules_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "firewall/listing.hpp"

namespace ftfw {
namespace {

using firewall::Chain;
using firewall::Table;
using firewall::linux_nft::CountedChain;
using firewall::linux_nft::CountedTable;
using firewall::linux_nft::CounterValue;

// The table that was given to the kernel; its chains as far as it has them.
struct Wanted {
  const Table* table = nullptr;  // none: it belongs to another configuration
  std::vector<const Chain*> chains;
};

Wanted wanted_of(const PolicyInForce& policy, const CountedTable& counted) {
  if (counted.name == policy.guard.table.name)
    return {&policy.guard.table, {&policy.guard.closed, &policy.guard.gate, &policy.guard.shield}};
  const auto found = std::ranges::find(policy.ruleset, counted.name, &Table::name);
  if (found == policy.ruleset.end() ||
      firewall::linux_nft::mark_of(*found, counted.mark.author) != counted.mark)
    return {};
  Wanted wanted{.table = &*found};
  for (const Chain& chain : found->chains) wanted.chains.push_back(&chain);
  return wanted;
}

// As it was given, if it still is.
const Chain* chain_of(const Wanted& wanted, const CountedChain& counted) {
  for (const Chain* chain : wanted.chains) {
    if (chain->name == counted.name && chain->rules.size() == counted.rules.size()) return chain;
  }
  return nullptr;
}

std::string state_of(const Wanted& wanted, const CountedTable& table) {
  return fmt::format("{}{}", table.dormant ? "asleep" : "awake",
                     wanted.table == nullptr ? ", of another configuration" : "");
}

std::string number(const std::optional<CounterValue>& counter, std::uint64_t CounterValue::* which) {
  return counter ? fmt::format("{}", *counter.*which) : "-";
}

std::string place_of(const PolicyInForce& policy, const config::Location& where) {
  return where.line == 0 ? "" : fmt::format("  # {}:{}", policy.file, where.line);
}

std::string chain_text(const PolicyInForce& policy, const Wanted& wanted, const CountedChain& counted) {
  const Chain* chain = chain_of(wanted, counted);
  const bool changed = chain == nullptr && wanted.table != nullptr;
  std::string text =
      fmt::format("  chain {}{}\n", counted.name, changed ? ": somebody changed its rules" : "");
  for (std::size_t at = 0; at < counted.rules.size(); ++at) {
    const auto& own = counted.rules[at].own;
    text += fmt::format("    {:>10} {:>12}  ", number(own, &CounterValue::packets),
                        number(own, &CounterValue::bytes));
    text += chain == nullptr
                ? fmt::format("rule {}\n", at + 1)
                : firewall::to_nft(chain->rules[at]) + place_of(policy, chain->rules[at].where) + "\n";
  }
  return text;
}

nlohmann::ordered_json counter_json(const std::optional<CounterValue>& counter) {
  if (!counter) return nullptr;
  return {{"packets", counter->packets}, {"bytes", counter->bytes}};
}

nlohmann::ordered_json chain_json(const Wanted& wanted, const CountedChain& counted) {
  const Chain* chain = chain_of(wanted, counted);
  nlohmann::ordered_json object;
  object["name"] = counted.name;
  object["as_given"] = chain != nullptr;
  object["rules"] = nlohmann::ordered_json::array();
  for (std::size_t at = 0; at < counted.rules.size(); ++at) {
    nlohmann::ordered_json rule;
    if (chain != nullptr) {
      rule["rule"] = firewall::to_nft(chain->rules[at]);
      if (chain->rules[at].where.line != 0) rule["line"] = chain->rules[at].where.line;
    }
    rule["counter"] = counter_json(counted.rules[at].own);
    object["rules"].push_back(std::move(rule));
  }
  return object;
}

}  // namespace

std::string rules_text(const PolicyInForce& policy, const CountedTables& tables) {
  if (tables.empty()) return "no table of ours is in the kernel\n";
  std::string text = fmt::format("    {:>10} {:>12}\n", "packets", "bytes");
  for (const CountedTable& table : tables) {
    const Wanted wanted = wanted_of(policy, table);
    text += fmt::format("table inet {} ({})\n", table.name, state_of(wanted, table));
    for (const CountedChain& chain : table.chains) text += chain_text(policy, wanted, chain);
    for (const auto& set : table.sets) text += fmt::format("  set {}: {} elements\n", set.name, set.elements);
    for (const auto& [name, value] : table.counters)
      text += fmt::format("  counter {}: {} packets, {} bytes\n", name, value.packets, value.bytes);
  }
  if (!policy.config.firewall.count_rules)
    text += "rules have no counters of their own: [firewall] counters = true gives them some\n";
  return text;
}

std::string rules_json(const PolicyInForce& policy, const CountedTables& tables) {
  nlohmann::ordered_json root;
  root["schema"] = 1;
  root["file"] = policy.file;
  root["tables"] = nlohmann::ordered_json::array();
  for (const CountedTable& table : tables) {
    const Wanted wanted = wanted_of(policy, table);
    nlohmann::ordered_json object;
    object["name"] = table.name;
    object["asleep"] = table.dormant;
    object["in_force"] = wanted.table != nullptr;
    object["chains"] = nlohmann::ordered_json::array();
    for (const CountedChain& chain : table.chains) object["chains"].push_back(chain_json(wanted, chain));
    object["sets"] = nlohmann::ordered_json::object();
    for (const auto& set : table.sets) object["sets"][set.name] = set.elements;
    object["counters"] = nlohmann::ordered_json::object();
    for (const auto& [name, value] : table.counters) object["counters"][name] = counter_json(value);
    root["tables"].push_back(std::move(object));
  }
  return root.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace ftfw
