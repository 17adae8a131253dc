#include "firewall/policy_rules.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "firewall/match.hpp"

namespace ftfw::firewall {
namespace {

using config::PolicyRule;
using config::RejectWith;
using config::Verdict;

constexpr config::TcpFlags kSyn{.value = 0x02, .mask = 0x02};
constexpr CtStateMatch kNew{.fresh = true};
constexpr CtStateMatch kEstablished{.established = true};

bool is_icmp(std::optional<std::uint8_t> protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

// An allow that says nothing else begins TCP flows with a SYN: an ACK would let one in by the middle.
std::optional<config::TcpFlags> flags_of(const PolicyRule& rule) {
  if (rule.tcp_flags || rule.verdict != Verdict::allow || rule.states) return rule.tcp_flags;
  return kSyn;
}

std::optional<CtStateMatch> states_of(const PolicyRule& rule, const Alternative& packets) {
  if (rule.states) {
    return CtStateMatch{.invalid = rule.states->invalid,
                        .established = rule.states->established,
                        .related = rule.states->related,
                        .fresh = rule.states->fresh,
                        .untracked = rule.states->untracked};
  }
  if (!rule.helper.empty()) return CtStateMatch{.related = true};
  if (rule.verdict == Verdict::allow && !is_icmp(packets.protocol)) return kNew;
  return std::nullopt;
}

void add_marks(std::vector<Expression>& expressions, const PolicyRule& rule) {
  if (rule.mark) expressions.emplace_back(MarkMatch{.mark = *rule.mark});
  if (rule.connection_mark)
    expressions.emplace_back(MarkMatch{.connection = true, .mark = *rule.connection_mark});
}

Reject reject_of(const PolicyRule& rule, const Alternative& packets) {
  RejectWith with = rule.reject_with;
  if (with == RejectWith::automatic)
    with = packets.protocol == IPPROTO_TCP ? RejectWith::tcp_reset : RejectWith::port_unreachable;
  return {.with = with, .family = packets.family};
}

Expression verdict_of(const PolicyRule& rule, const Alternative& packets) {
  switch (rule.verdict) {
    case Verdict::allow:
      return Accept{};
    case Verdict::deny:
      return Drop{};
    case Verdict::reject:
      return reject_of(rule, packets);
  }
  return Drop{};
}

// All that must be true of a packet, up to the limit.
std::vector<Expression> conditions(const PolicyRule& rule, const Alternative& packets, bool translated) {
  std::vector<Expression> expressions = packets.expressions;
  add_marks(expressions, rule);
  if (translated) expressions.emplace_back(CtTranslatedMatch{});
  if (const auto states = states_of(rule, packets)) expressions.emplace_back(*states);
  if (!rule.helper.empty()) expressions.emplace_back(CtHelperMatch{rule.helper});
  if (rule.limit) expressions.emplace_back(Limit{*rule.limit});
  return expressions;
}

}  // namespace

Log log_of(const config::Log& log) {
  return {.prefix = log.prefix, .level = log.level};
}

bool opens_flows(const PolicyRule& rule) {
  if (rule.verdict != Verdict::allow || (rule.states && !rule.states->fresh)) return false;
  const auto& protocols = rule.match.protocols;
  return protocols.empty() || !std::ranges::all_of(protocols, [](std::uint8_t one) { return is_icmp(one); });
}

std::vector<Rule> compile(const PolicyRule& rule, const std::vector<config::Group>& groups, bool translated) {
  std::vector<Rule> rules;
  for (const Alternative& packets : alternatives(rule.match, flags_of(rule), groups)) {
    Rule made{conditions(rule, packets, translated), rule.where, rule.comment};
    // With a limit of its own the log is a rule of its own: its limit must not hold back the verdict.
    if (rule.log && rule.log->limit) {
      Rule logs = made;
      logs.expressions.emplace_back(Limit{*rule.log->limit});
      logs.expressions.emplace_back(log_of(*rule.log));
      rules.push_back(std::move(logs));
    } else if (rule.log) {
      made.expressions.emplace_back(log_of(*rule.log));
    }
    if (!rule.counter.empty()) made.expressions.emplace_back(Count{rule.counter});
    made.expressions.push_back(verdict_of(rule, packets));
    rules.push_back(std::move(made));
  }
  return rules;
}

std::vector<Rule> fast_path_rules(const PolicyRule& rule, const std::vector<config::Group>& groups) {
  std::vector<Rule> rules;
  for (Alternative& packets : alternatives(rule.match, std::nullopt, groups)) {
    Rule made{std::move(packets.expressions), rule.where};
    add_marks(made.expressions, rule);
    made.expressions.emplace_back(kEstablished);
    made.expressions.emplace_back(CtDirectionMatch{Direction::original});
    made.expressions.emplace_back(FlowAdd{rule.flowtable});
    rules.push_back(std::move(made));
  }
  return rules;
}

}  // namespace ftfw::firewall
