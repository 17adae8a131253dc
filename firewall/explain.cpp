#include "firewall/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "config/names.hpp"
#include "config/secrets.hpp"
#include "firewall/listing.hpp"
#include "firewall/packet_text.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::uint8_t kSyn = 0x02;
constexpr std::size_t kMaxBlockLines = 16;  // of a section that is shown

std::vector<std::string_view> lines_of(std::string_view source) {
  std::vector<std::string_view> lines;
  for (std::size_t from = 0; from < source.size();) {
    const std::size_t end = std::min(source.find('\n', from), source.size());
    lines.push_back(source.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

bool is_empty(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

bool begins_section(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line[first] == '[';
}

// A known flow is translated as its first packet was, so that one is asked about. An answer is given between
// the two real ends and comes in with the address that the flow's source got.
std::vector<Translation> find_translation(const Tables& tables, const Surroundings& surroundings,
                                          Packet& packet) {
  if (packet.flow.state != FlowState::established) return {};
  const bool answer = packet.flow.direction == Direction::reply;
  Packet first = packet;
  first.flow = {};
  first.tcp_flags = packet.protocol == config::kProtocolTcp ? kSyn : std::uint8_t{0};
  if (answer) {
    std::swap(first.source, first.destination);
    std::swap(first.source_port, first.destination_port);
    first.in = packet.out.empty() ? surroundings.route(packet.destination).out : packet.out;
    first.out = packet.in;
  }
  std::vector<Translation> translations = evaluate(tables, surroundings, first).translations;
  for (const Translation& one : translations) {
    if (answer && one.side == Side::source) {
      packet.flow.rewrite.destination = Endpoint{packet.destination, packet.destination_port};
      packet.destination = one.to.address;
      packet.destination_port = one.to.port;
    } else if (!answer && one.side == Side::source) {
      packet.flow.rewrite.source = one.to;
    } else if (!answer) {
      packet.flow.rewrite.destination = one.to;
      packet.flow.destination_translated = true;
    }
  }
  return translations;
}

class Writer {
 public:
  Writer(const ExplainedPolicy& policy, const Surroundings& surroundings)
      : policy_(policy), surroundings_(surroundings), source_(config::mask_secrets(policy.source)) {
    lines_ = lines_of(source_);
  }

  void describe(const std::string& title, const Tables& tables, Packet packet) {
    const std::vector<Translation> known = find_translation(tables, surroundings_, packet);
    std::vector<Outcome> outcomes = possible_outcomes(tables, surroundings_, packet);
    for (Outcome& outcome : outcomes) {
      if (outcome.passes()) std::ranges::copy(known, std::back_inserter(outcome.translations));
    }
    describe(title, outcomes.front());
    std::vector<std::string> told{fate_text(outcomes.front())};
    for (const Outcome& outcome : outcomes) {
      const std::string fate = fate_text(outcome);
      if (std::ranges::find(told, fate) != told.end()) continue;
      told.push_back(fate);
      describe("  where a rate is exceeded", outcome);
    }
  }

  std::string text() && { return std::move(text_); }

 private:
  std::string place_of(const Decision& decision) const {
    const std::string chain = fmt::format("inet {} {}", decision.table->name, decision.chain->name);
    if (decision.rule == nullptr)
      return fmt::format("{}: no rule decides, policy {}", chain,
                         decision.chain->base->policy == Policy::drop ? "drop" : "accept");
    return fmt::format("{}, rule {}: {}", chain, decision.rule - decision.chain->rules.data() + 1,
                       to_nft(*decision.rule));
  }

  static std::string verdict_of(const Outcome& outcome) {
    switch (outcome.fate) {
      case Fate::delivered:
        return "reaches this machine";
      case Fate::forwarded:
        return outcome.packet.in.empty() ? "sent" : "forwarded";
      case Fate::dropped:
        return "dropped";
      case Fate::rejected:
        return "rejected";
      case Fate::unroutable:
        return "not forwarded: no route leads there";
    }
    return "";
  }

  std::string fate_text(const Outcome& outcome) const {
    const Decision* decision = outcome.decisive();
    return verdict_of(outcome) + (decision == nullptr ? "" : place_of(*decision));
  }

  void show_lines(const Location& where) {
    if (where.line == 0) return;
    text_ += fmt::format("      {}:{}\n", policy_.file, where.line);
    for (std::size_t at = where.line - 1, shown = 0; at < lines_.size() && shown < kMaxBlockLines; ++at) {
      if (shown > 0 && (begins_section(lines_[at]) || !begins_section(lines_[where.line - 1]))) break;
      if (is_empty(lines_[at])) continue;
      text_ += fmt::format("        {}\n", lines_[at]);
      ++shown;
    }
  }

  void show(const Decision& decision) {
    text_ += fmt::format("    {}\n", place_of(decision));
    show_lines(decision.rule == nullptr ? decision.chain->where : decision.rule->where);
  }

  void describe(const std::string& title, const Outcome& outcome) {
    text_ += fmt::format("{}: {}\n", title, verdict_of(outcome));
    for (const Translation& translation : outcome.translations) {
      if (translation.side == Side::destination) show(translation.by);
    }
    for (const Decision& one : outcome.path) {
      if (one.effect == Effect::helper || one.effect == Effect::fast_path) show(one);
    }
    if (const Decision* decision = outcome.decisive()) {
      const auto source = std::ranges::find(outcome.translations, decision->rule,
                                            [](const Translation& one) { return one.by.rule; });
      if (source == outcome.translations.end()) show(*decision);
    } else if (outcome.passes()) {
      text_ += "    no rule of ours judges it\n";
    }
    for (const Translation& translation : outcome.translations) {
      if (translation.side == Side::source) show(translation.by);
    }
    if (!outcome.translations.empty()) {
      const bool guess = std::ranges::any_of(outcome.translations, &Translation::one_of_several);
      text_ += fmt::format("    it goes on as {}{}\n", to_text(outcome.packet),
                           guess ? " (or another one of the range)" : "");
    }
  }

  const ExplainedPolicy& policy_;
  const Surroundings& surroundings_;
  std::string source_;
  std::vector<std::string_view> lines_;
  std::string text_;
};

}  // namespace

void fill_standby_tables(StandbyTables& into, const Ruleset& ruleset, const Guard& guard) {
  into.guard = guard.table;
  into.guard.chains = {guard.closed, guard.gate};
  into.tables = {&into.guard};
  for (const Table& table : ruleset) {
    if (table.kind != TableKind::filter) into.tables.push_back(&table);
  }
}

Result<std::string> explain(const ExplainedPolicy& policy, const Surroundings& surroundings,
                            std::string_view text, Role role) {
  const auto packet = parse_packet(text);
  if (!packet) return fail(Blame::configuration, render(text, packet.error()));
  Writer writer(policy, surroundings);
  const char* now = " (what this node is now)";
  writer.describe(fmt::format("as primary{}", role == Role::primary ? now : ""), tables_of(policy.ruleset),
                  *packet);
  StandbyTables standby;
  fill_standby_tables(standby, policy.ruleset, policy.guard);
  writer.describe(fmt::format("as standby{}", role == Role::standby ? now : ""), standby.tables, *packet);
  return to_text(*packet) + "\n\n" + std::move(writer).text();
}

}  // namespace ftfw::firewall
