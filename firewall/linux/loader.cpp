#include "firewall/linux/loader.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "firewall/linux/batch.hpp"
#include "firewall/linux/sets.hpp"

namespace ftfw::firewall {

using linux_nft::Activity;
using linux_nft::Answer;
using linux_nft::Batch;
using linux_nft::Change;
using linux_nft::CounterValues;

namespace {

// How often somebody else may commit between our look and our batch.
constexpr int kStepAttempts = 16;

bool is_wanted(const Ruleset& ruleset, const std::string& name) {
  return std::ranges::find(ruleset, name, &Table::name) != ruleset.end();
}

Ruleset without_large_elements(Ruleset ruleset) {
  for (Table& table : ruleset) {
    for (SetObject& set : table.sets) {
      if (!linux_nft::is_large(set)) continue;
      set.addresses.clear();
      set.ports.clear();
    }
  }
  return ruleset;
}

std::vector<Refusal> refuse_loops(const Ruleset& ruleset) {
  std::vector<Refusal> refusals;
  for (const Table& table : ruleset) {
    const auto loop = find_loop(table);
    if (!loop) continue;
    const std::string first = loop->substr(0, loop->find(' '));
    refusals.push_back({.where = std::ranges::find(table.chains, first, &Chain::name)->where,
                        .object = fmt::format("table inet {}, chain {}", table.name, first),
                        .code = ELOOP,
                        .text = "chains that lead back to where they began: " + *loop});
  }
  return refusals;
}

}  // namespace

std::vector<Refusal> refusals_of(const Error& error) {
  return {Refusal{.object = "nftables", .code = error.code, .text = error.text}};
}

// A table of the machine's own protection is replaced in one transaction: without its chain it protects
// nothing.
bool goes_in_pieces(const Table& table) {
  return table.kind != TableKind::input && std::ranges::any_of(table.sets, linux_nft::is_large);
}

// Ours, from a configuration that had tables which this one has not.
std::vector<std::string> leftovers(const Ruleset& ruleset, const Installed& installed) {
  std::vector<std::string> names;
  for (const InstalledTable& table : installed.tables) {
    const bool ours = table.mark && table.mark->kind != TableKind::guard;
    if (ours && !is_wanted(ruleset, table.name)) names.push_back(table.name);
  }
  return names;
}

Result<Loader> Loader::open(Guard guard) {
  auto conversation = linux_nft::Conversation::open();
  if (!conversation) return std::unexpected(conversation.error());
  std::uint64_t author = 0;
  if (::getrandom(&author, sizeof author, 0) != static_cast<ssize_t>(sizeof author))
    return fail_errno("random numbers", errno);
  return Loader(std::move(*conversation), std::move(guard), author);
}

Loader::Loader(linux_nft::Conversation conversation, Guard guard, std::uint64_t author)
    : conversation_(std::move(conversation)), guard_(std::move(guard)), author_(author) {}

// ---- what is there

bool Loader::is_installed(const Installed& installed, const Table& table) const {
  const InstalledTable* found = installed.find(table.name);
  return found != nullptr && found->content == table.digest && found->complete &&
         !doubts_.contains(table.name);
}

bool Loader::is_prepared(const Installed& installed, const Table& table) const {
  const InstalledTable* found = installed.find(table.name);
  return found != nullptr && found->content == table.digest && !found->complete &&
         !doubts_.contains(table.name);
}

void Loader::committed(const Change& change, std::uint32_t genid) {
  held_.clear();
  for (const InstalledTable& table : change.state().tables) {
    if (table.mark && table.content) held_[table.name] = {.mark = *table.mark, .content = *table.content};
  }
  for (const std::string& name : change.settled()) {
    doubts_.erase(name);
    made_.insert(name);
    settled_[name] = genid;
  }
}

// ---- the transaction

Result<Installed> Loader::refresh() {
  if (known_) {
    const auto now = conversation_.generation();
    if (now && *now == known_->genid) return *known_;
  }
  auto installed = linux_nft::read_installed(conversation_);
  if (!installed) return installed;
  for (InstalledTable& table : installed->tables) {
    const auto held = held_.find(table.name);
    if (held != held_.end() && table.mark == held->second.mark) table.content = held->second.content;
  }
  known_ = *installed;
  return installed;
}

LoadResult Loader::step(const Compose& compose) {
  for (int attempt = 0; attempt < kStepAttempts; ++attempt) {
    const auto from = refresh();
    if (!from) return std::unexpected(refusals_of(from.error()));
    Batch batch(conversation_.next_sequence());
    Change change(batch, guard_, *from, author_);
    const auto next = compose(change);
    if (!next) return std::unexpected(next.error());
    if (*next == Next::guard_first) {
      if (const LoadResult closed = close(); !closed) return closed;
      continue;
    }
    if (*next == Next::look_again) {
      known_.reset();
      continue;
    }
    if (batch.empty() && batch.own_refusals().empty()) return Loaded{.genid = from->genid};
    known_.reset();
    Answer answer = conversation_.commit(batch, from->genid);
    if (answer.stale) continue;
    if (!answer.refusals.empty()) return std::unexpected(std::move(answer.refusals));
    committed(change, from->genid + 1);
    if (answer.genid == from->genid + 1) {  // else somebody committed behind us: look again next time
      known_ = change.state();
      known_->genid = answer.genid;
    }
    return Loaded{.genid = answer.genid,
                  .in_kernel = answer.in_kernel,
                  .full_load = change.placed_filter_table(),
                  .longest = answer.in_kernel};
  }
  return std::unexpected(refusals_of({.code = ERESTART, .text = "other programs keep changing the ruleset"}));
}

std::expected<void, std::vector<Refusal>> Loader::refuse_foreign(const Ruleset& ruleset,
                                                                 const Installed& installed) const {
  std::vector<Refusal> refusals;
  const auto check = [&](const Table& table) {
    const InstalledTable* found = installed.find(table.name);
    // One in the place of ours is a change to ours.
    if (found == nullptr || found->mark || made_.contains(table.name)) return;
    refusals.push_back(
        {.where = table.where,
         .object = "table inet " + table.name,
         .code = EEXIST,
         .text = fmt::format("a table of this name exists and was not made by ftfw-appliance; delete it "
                             "(nft delete table inet {}) and take it out of /etc/nftables.conf",
                             table.name)});
  };
  check(guard_.table);
  std::ranges::for_each(ruleset, check);
  if (!refusals.empty()) return std::unexpected(std::move(refusals));
  return {};
}

std::expected<CounterValues, std::vector<Refusal>> Loader::carried_counters(const Installed& installed,
                                                                            const Table& table) {
  if (table.counters.empty() || installed.find(table.name) == nullptr) return CounterValues{};
  auto values = linux_nft::read_counters(conversation_, table.name);
  if (!values) return std::unexpected(refusals_of(values.error()));
  return *std::move(values);
}

std::expected<void, std::vector<Refusal>> Loader::place(Change& change, const Table& table,
                                                        Activity activity) {
  const auto carried = carried_counters(change.state(), table);
  if (!carried) return std::unexpected(carried.error());
  change.place(table, activity, *carried);
  return {};
}

// ---- questions

Result<Capabilities> Loader::probe() {
  const Table scratch{.name = "ftfw_probe", .flowtables = {{.name = "probe", .devices = {"lo"}}}};
  Batch batch(conversation_.next_sequence());
  linux_nft::create_table(batch, scratch, Activity::dormant, author_);
  linux_nft::fill_table(batch, scratch, {});
  const Answer answer = conversation_.dry_run(batch);
  if (answer.refusals.empty()) return Capabilities{.flowtables = true};
  const Refusal& refusal = answer.refusals.front();
  if (refusal.code == ENOENT || refusal.code == EOPNOTSUPP) return Capabilities{.flowtables = false};
  return fail(Blame::kernel, "ask the kernel for flowtables: " + refusal.text, refusal.code);
}

std::expected<void, std::vector<Refusal>> Loader::check(const Ruleset& whole) {
  if (auto loops = refuse_loops(whole); !loops.empty()) return std::unexpected(std::move(loops));
  const Ruleset ruleset = without_large_elements(whole);
  const auto installed = refresh();
  if (!installed) return std::unexpected(refusals_of(installed.error()));
  if (auto ours = refuse_foreign(ruleset, *installed); !ours) return ours;
  Batch batch(conversation_.next_sequence());
  Change change(batch, guard_, *installed, author_);
  Table guard = guard_.table;
  guard.chains = {guard_.closed, guard_.gate, guard_.shield};
  // All of it dormant: base chains of an awake table would be hooked for as long as the kernel checks.
  change.place(guard, Activity::dormant, {});
  for (const Table& table : ruleset) change.place(table, Activity::dormant, {});
  Answer answer = conversation_.dry_run(batch);
  if (!answer.refusals.empty()) return std::unexpected(std::move(answer.refusals));
  return {};
}

Result<Installed> Loader::read_back() {
  known_.reset();
  return refresh();
}

// ---- steps

LoadResult Loader::close() {
  return step([this](Change& change) -> Composed {
    if (auto ours = refuse_foreign({}, change.state()); !ours) return std::unexpected(ours.error());
    if (change.state().find(guard_.table.name) != nullptr) change.remove(guard_.table.name);
    change.raise_guard();
    return Next::commit;
  });
}

// Elements are checked, sorted and free of overlaps before they come here: what can be refused is the rest,
// and that is asked first, so that a refusal leaves everything as it was.
LoadResult Loader::prepare_large(const Ruleset& ruleset, const std::function<bool()>& interrupted,
                                 std::vector<std::string>& prepared) {
  Loaded all;
  if (std::ranges::none_of(ruleset, goes_in_pieces)) return all;
  if (auto checked = check(ruleset); !checked) return std::unexpected(std::move(checked.error()));
  for (const Table& table : ruleset) {
    if (!goes_in_pieces(table)) continue;
    bool needed = true;
    const LoadResult begun = step([&](Change& change) -> Composed {
      if (!change.state().closed()) return Next::guard_first;
      needed = table.kind == TableKind::filter || !is_installed(change.state(), table);
      if (!needed) return Next::commit;
      const auto carried = carried_counters(change.state(), table);
      if (!carried) return std::unexpected(carried.error());
      change.prepare(table, *carried);
      return Next::commit;
    });
    if (!begun) return begun;
    all.longest = std::max(all.longest, begun->longest);
    if (!needed) continue;
    const LoadResult filled = load_elements(table, interrupted);
    if (!filled) return filled;
    all.longest = std::max(all.longest, filled->longest);
    all.interrupted = filled->interrupted;
    if (all.interrupted) return all;
    prepared.push_back(table.name);
  }
  return all;
}

LoadResult Loader::load_elements(const Table& table, const std::function<bool()>& interrupted) {
  Loaded all;
  for (const SetObject& set : table.sets) {
    if (!linux_nft::is_large(set)) continue;
    for (std::size_t from = 0; from < set.size(); from += linux_nft::kElementsPerPiece) {
      all.interrupted = interrupted && interrupted();
      if (all.interrupted) return all;
      const LoadResult piece = step([&](Change& change) -> Composed {
        // Somebody removed it: the last transaction of the step loads all of it.
        if (is_prepared(change.state(), table)) change.add_elements(table, set, from);
        return Next::commit;
      });
      if (!piece) return piece;
      all.longest = std::max(all.longest, piece->longest);
    }
  }
  return all;
}

LoadResult Loader::stand_by(const Ruleset& ruleset, const std::function<bool()>& interrupted) {
  std::vector<std::string> prepared;
  const LoadResult pieces = prepare_large(ruleset, interrupted, prepared);
  if (!pieces || pieces->interrupted) return pieces;
  LoadResult loaded = step([&](Change& change) -> Composed {
    if (auto ours = refuse_foreign(ruleset, change.state()); !ours) return std::unexpected(ours.error());
    // On its own: the policy of the guard drops everything until its rules are committed, which must not take
    // as long as the load of all tables.
    if (!change.state().closed()) return Next::guard_first;
    for (const std::string& name : leftovers(ruleset, change.state())) change.remove(name);
    for (const Table& table : ruleset) {
      if (table.kind != TableKind::filter && is_installed(change.state(), table)) continue;
      const bool ready = std::ranges::find(prepared, table.name) != prepared.end();
      if (ready && is_prepared(change.state(), table)) {
        change.complete(table);
        continue;
      }
      const bool nat = table.kind == TableKind::nat;
      if (nat && change.state().find(table.name) == nullptr) continue;
      const bool sleeps = table.kind == TableKind::filter;
      const auto placed = place(change, table, sleeps ? Activity::dormant : Activity::awake);
      if (!placed) return std::unexpected(placed.error());
    }
    change.lower_shield();
    return Next::commit;
  });
  if (loaded) loaded->longest = std::max(loaded->longest, pieces->longest);
  return loaded;
}

LoadResult Loader::activate(const Ruleset& ruleset, bool shield) {
  return step([&](Change& change) -> Composed {
    if (auto ours = refuse_foreign(ruleset, change.state()); !ours) return std::unexpected(ours.error());
    for (const Table& table : ruleset) {
      if (is_installed(change.state(), table)) {
        if (change.state().find(table.name)->dormant) change.toggle(table.name, Activity::awake);
        continue;
      }
      if (!change.state().closed()) return Next::guard_first;
      if (const auto placed = place(change, table, Activity::awake); !placed)
        return std::unexpected(placed.error());
    }
    for (const std::string& name : leftovers(ruleset, change.state())) change.remove(name);
    // Before the guard goes: the table of both must not go and come in one batch.
    if (shield) change.raise_shield();
    change.lower_guard();
    if (!shield) change.lower_shield();
    return Next::commit;
  });
}

LoadResult Loader::lower_shield() {
  return step([](Change& change) -> Composed {
    change.lower_shield();
    return Next::commit;
  });
}

LoadResult Loader::sleep() {
  return step([&](Change& change) -> Composed {
    if (auto ours = refuse_foreign({}, change.state()); !ours) return std::unexpected(ours.error());
    change.raise_guard();
    const std::vector<InstalledTable> tables = change.state().tables;
    for (const InstalledTable& table : tables) {
      const bool filters = table.mark && table.mark->kind == TableKind::filter;
      if (filters && !table.dormant) change.toggle(table.name, Activity::dormant);
    }
    change.lower_shield();
    return Next::commit;
  });
}

LoadResult Loader::remove_everything() {
  return step([this](Change& change) -> Composed {
    const std::vector<InstalledTable> tables = change.state().tables;
    for (const InstalledTable& table : tables) {
      if (table.mark) change.remove(table.name);
    }
    made_.clear();
    return Next::commit;
  });
}

}  // namespace ftfw::firewall
