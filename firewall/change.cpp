#include "firewall/change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>

#include "firewall/listing.hpp"

namespace ftfw::firewall {
namespace {

// Names of objects, sets and chains that go and come in one transaction: the rules that name them must, too.
using Remade = std::set<std::string_view>;

// ---- elements

template <typename Range>
void compare_ranges(const std::vector<Range>& from, const std::vector<Range>& to, std::vector<Range>& removed,
                    std::vector<Range>& added) {
  std::ranges::set_difference(from, to, std::back_inserter(removed));
  std::ranges::set_difference(to, from, std::back_inserter(added));
}

bool starts_at_zero(const SetObject& set) {
  if (set.type == config::GroupType::ports) return !set.ports.empty() && set.ports.front().first == 0;
  if (set.addresses.empty()) return false;
  const ByteSpan bytes = set.addresses.front().first.bytes();
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// ---- objects

bool same(const HelperObject& a, const HelperObject& b) {
  return a.type == b.type && a.protocol == b.protocol;
}
bool same(const CounterObject&, const CounterObject&) {
  return true;
}
bool same(const FlowtableObject& a, const FlowtableObject& b) {
  return a.devices == b.devices;
}
// Its elements may change.
bool same(const SetObject& a, const SetObject& b) {
  return a.type == b.type && a.family == b.family;
}

template <typename Object>
void compare_objects(const std::vector<Object>& from, const std::vector<Object>& to,
                     std::vector<const Object*>& removed, std::vector<const Object*>& added, Remade& remade) {
  std::unordered_map<std::string_view, const Object*> former;
  for (const Object& one : from) former.emplace(one.name, &one);
  for (const Object& one : to) {
    const auto found = former.find(one.name);
    if (found != former.end() && same(*found->second, one)) {
      former.erase(found);
      continue;
    }
    if (found != former.end()) remade.insert(one.name);
    added.push_back(&one);
  }
  for (const Object& one : from) {
    if (former.contains(one.name)) removed.push_back(&one);
  }
}

// ---- rules

std::string_view named_by(const Expression& expression) {
  return std::visit(
      [](const auto& what) -> std::string_view {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, PortMatch> || std::is_same_v<What, AddressMatch>) {
          return what.set;
        } else if constexpr (std::is_same_v<What, SetHelper> || std::is_same_v<What, Count>) {
          return what.object;
        } else if constexpr (std::is_same_v<What, FlowAdd>) {
          return what.flowtable;
        } else if constexpr (std::is_same_v<What, Goto>) {
          return what.chain;
        } else {
          return {};
        }
      },
      expression);
}

bool names_any(const Rule& rule, const Remade& remade) {
  return std::ranges::any_of(rule.expressions,
                             [&](const Expression& one) { return remade.contains(named_by(one)); });
}

// The text of each rule; one that must be made anew in any case is like no other.
std::vector<std::string> texts_of(const Chain& chain, const Remade& remade) {
  std::vector<std::string> texts;
  texts.reserve(chain.rules.size());
  for (const Rule& rule : chain.rules) {
    texts.push_back(to_nft(rule));
    if (!remade.empty() && names_any(rule, remade)) texts.back() += '\n';
  }
  return texts;
}

struct Pair {
  std::size_t from = 0;
  std::size_t to = 0;
};

// Of pairs with ascending `to`, as many as possible with ascending `from`: the longest increasing
// subsequence.
std::vector<Pair> in_order(const std::vector<Pair>& pairs) {
  std::vector<std::size_t> ends;  // of the best subsequence of each length: index into pairs
  std::vector<std::optional<std::size_t>> before(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto place = std::ranges::lower_bound(ends, pairs[i].from, {},
                                                [&](std::size_t index) { return pairs[index].from; });
    if (place != ends.begin()) before[i] = *std::prev(place);
    if (place == ends.end()) {
      ends.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<Pair> longest;
  for (std::optional<std::size_t> i = ends.empty() ? std::nullopt : std::optional(ends.back()); i;
       i = before[*i])
    longest.push_back(pairs[*i]);
  std::ranges::reverse(longest);
  return longest;
}

// Rules that stay. What is the same at both ends of the chain, and between them what stands there once in
// each.
std::vector<Pair> kept_rules(const std::vector<std::string>& from, const std::vector<std::string>& to) {
  std::vector<Pair> kept;
  std::size_t front = 0;
  while (front < from.size() && front < to.size() && from[front] == to[front]) {
    kept.push_back({front, front});
    ++front;
  }
  std::size_t back = 0;
  while (back < from.size() - front && back < to.size() - front &&
         from[from.size() - 1 - back] == to[to.size() - 1 - back])
    ++back;
  struct Seen {
    std::size_t in_from = 0, in_to = 0;
    Pair at;
  };
  std::unordered_map<std::string_view, Seen> seen;
  for (std::size_t i = front; i < from.size() - back; ++i) {
    Seen& one = seen[from[i]];
    ++one.in_from;
    one.at.from = i;
  }
  for (std::size_t i = front; i < to.size() - back; ++i) {
    Seen& one = seen[to[i]];
    ++one.in_to;
    one.at.to = i;
  }
  std::vector<Pair> once;
  for (std::size_t i = front; i < to.size() - back; ++i) {
    const Seen& one = seen[to[i]];
    if (one.in_from == 1 && one.in_to == 1) once.push_back(one.at);
  }
  std::ranges::copy(in_order(once), std::back_inserter(kept));
  for (std::size_t i = back; i > 0; --i) kept.push_back({from.size() - i, to.size() - i});
  return kept;
}

void compare_rules(ChainChange& change, const Remade& remade) {
  const std::vector<std::string> from = texts_of(*change.from, {});
  const std::vector<std::string> to = texts_of(*change.to, remade);
  const std::vector<Pair> kept = kept_rules(from, to);
  auto next = kept.begin();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (next != kept.end() && next->from == i) {
      ++next;
    } else {
      change.removed.push_back(i);
    }
  }
  next = kept.begin();
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (next != kept.end() && next->to == i) {
      ++next;
    } else {
      change.added.push_back(
          {.rule = i, .before = next == kept.end() ? std::nullopt : std::optional(next->from)});
    }
  }
}

void add_all_rules(ChainChange& change) {
  for (std::size_t i = 0; i < change.to->rules.size(); ++i) change.added.push_back({.rule = i, .before = {}});
}

// ---- chains

bool hooked_alike(const Chain& a, const Chain& b) {
  if (a.base.has_value() != b.base.has_value()) return false;
  if (!a.base) return true;
  return a.base->type == b.base->type && a.base->hook == b.base->hook && a.base->priority == b.base->priority;
}

const Chain* find_chain(const Table& table, std::string_view name) {
  const auto found = std::ranges::find(table.chains, name, &Chain::name);
  return found == table.chains.end() ? nullptr : &*found;
}

// One in which chains that are gone to stand before those that go to them.
void compare_chains(const Table& from, const Table& to, TableChange& change, Remade& remade) {
  for (const Chain& chain : to.chains) {
    const Chain* former = find_chain(from, chain.name);
    if (former != nullptr && !hooked_alike(*former, chain)) remade.insert(chain.name);
  }
  for (const Chain& chain : to.chains) {
    ChainChange one{.from = find_chain(from, chain.name), .to = &chain};
    one.remade = remade.contains(chain.name);
    if (one.from == nullptr || one.remade) {
      add_all_rules(one);
    } else {
      one.policy = chain.base && chain.base->policy != one.from->base->policy;
      compare_rules(one, remade);
    }
    if (!one.empty()) change.chains.push_back(std::move(one));
  }
  for (const Chain& chain : from.chains) {
    if (find_chain(to, chain.name) == nullptr) change.chains.push_back({.from = &chain});
  }
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

ElementChange compare_elements(const SetObject& from, const SetObject& to) {
  ElementChange change{.set = to.name};
  for (SetObject* part : {&change.removed, &change.added}) {
    part->name = to.name;
    part->type = to.type;
    part->family = to.family;
    part->where = to.where;
  }
  compare_ranges(from.addresses, to.addresses, change.removed.addresses, change.added.addresses);
  compare_ranges(from.ports, to.ports, change.removed.ports, change.added.ports);
  if (change.removed.size() + change.added.size() == 0) return change;
  // In front of the first interval the set says that nothing belongs to it, unless that one begins at zero.
  const bool edge =
      from.size() == 0 || to.size() == 0 || starts_at_zero(change.removed) || starts_at_zero(change.added);
  change.all = to.has_intervals() && edge;
  if (change.all) {
    change.removed.addresses.clear();
    change.removed.ports.clear();
    change.added = to;
  }
  return change;
}

bool TableChange::empty() const {
  return helpers_removed.empty() && helpers_added.empty() && counters_removed.empty() &&
         counters_added.empty() && flowtables_removed.empty() && flowtables_added.empty() &&
         sets_removed.empty() && sets_added.empty() && elements.empty() && chains.empty();
}

TableChange compare(const Table& from, const Table& to) {
  TableChange change{.from = &from, .to = &to};
  Remade remade;
  compare_objects(from.helpers, to.helpers, change.helpers_removed, change.helpers_added, remade);
  compare_objects(from.counters, to.counters, change.counters_removed, change.counters_added, remade);
  compare_objects(from.flowtables, to.flowtables, change.flowtables_removed, change.flowtables_added, remade);
  compare_objects(from.sets, to.sets, change.sets_removed, change.sets_added, remade);
  for (const SetObject& set : to.sets) {
    const auto former = std::ranges::find(from.sets, set.name, &SetObject::name);
    if (former == from.sets.end() || !same(*former, set)) continue;
    ElementChange elements = compare_elements(*former, set);
    if (!elements.empty()) change.elements.push_back(std::move(elements));
  }
  compare_chains(from, to, change, remade);
  return change;
}

const TableChange* RulesetChange::of(const std::string& table) const {
  const auto found =
      std::ranges::find_if(tables, [&](const TableChange& one) { return one.to->name == table; });
  return found == tables.end() ? nullptr : &*found;
}

RulesetChange compare(std::shared_ptr<const Ruleset> from, std::shared_ptr<const Ruleset> to) {
  RulesetChange change{.from = std::move(from), .to = std::move(to), .tables = {}};
  for (const Table& table : *change.to) {
    const auto former = std::ranges::find(*change.from, table.name, &Table::name);
    if (former != change.from->end()) change.tables.push_back(compare(*former, table));
  }
  return change;
}

std::string describe(const RulesetChange& change) {
  std::size_t rules_gone = 0, rules_new = 0, elements = 0, others = 0;
  std::vector<std::string> parts;
  for (const Table& table : *change.to) {
    if (change.of(table.name) == nullptr) parts.push_back(fmt::format("table {} new", table.name));
  }
  for (const Table& table : *change.from) {
    if (change.of(table.name) == nullptr) parts.push_back(fmt::format("table {} gone", table.name));
  }
  for (const TableChange& table : change.tables) {
    for (const ChainChange& chain : table.chains) {
      rules_gone += chain.to == nullptr || chain.remade
                        ? (chain.from == nullptr ? 0 : chain.from->rules.size())
                        : chain.removed.size();
      rules_new += chain.added.size();
      others += chain.policy ? 1 : 0;
    }
    for (const ElementChange& one : table.elements) elements += one.size();
    others += table.helpers_added.size() + table.helpers_removed.size() + table.counters_added.size() +
              table.counters_removed.size() + table.flowtables_added.size() +
              table.flowtables_removed.size() + table.sets_added.size() + table.sets_removed.size();
  }
  if (rules_new > 0) parts.push_back(counted(rules_new, "rule") + " new");
  if (rules_gone > 0) parts.push_back(counted(rules_gone, "rule") + " gone");
  if (elements > 0) parts.push_back(counted(elements, "element") + " changed");
  if (others > 0) parts.push_back(counted(others, "object") + " changed");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::optional<std::string> find_loop(const Table& table) {
  // Depth first; a chain that is under way and met again closes a circle.
  enum class Mark : std::uint8_t { unseen, under_way, done };
  std::unordered_map<std::string_view, Mark> marks;
  std::vector<std::string_view> way;
  const auto visit = [&](const auto& self, const Chain& chain) -> bool {
    way.push_back(chain.name);
    marks[chain.name] = Mark::under_way;
    for (const Rule& rule : chain.rules) {
      for (const Expression& expression : rule.expressions) {
        const auto* jump = std::get_if<Goto>(&expression);
        const Chain* next = jump == nullptr ? nullptr : find_chain(table, jump->chain);
        if (next == nullptr || marks[next->name] == Mark::done) continue;
        if (marks[next->name] == Mark::under_way) {
          way.push_back(next->name);
          return true;
        }
        if (self(self, *next)) return true;
      }
    }
    marks[chain.name] = Mark::done;
    way.pop_back();
    return false;
  };
  for (const Chain& chain : table.chains) {
    if (marks[chain.name] == Mark::done || !visit(visit, chain)) continue;
    way.erase(way.begin(), std::ranges::find(way, way.back()));
    return fmt::format("{}", fmt::join(way, " > "));
  }
  return std::nullopt;
}

}  // namespace ftfw::firewall
