// [[firewall.allow]], [[firewall.deny]], [[firewall.reject]] and [[firewall.service]].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

struct Kind {
  Verdict verdict;
  std::string_view key;
  std::string_view shown;
  std::string_view noun;
};
constexpr std::array<Kind, 3> kKinds{{{Verdict::allow, "allow", "[[firewall.allow]]", "an allow"},
                                      {Verdict::deny, "deny", "[[firewall.deny]]", "a deny"},
                                      {Verdict::reject, "reject", "[[firewall.reject]]", "a reject"}}};
// Each of the sections above, and services.
constexpr std::size_t kMaxRules = 16'384;
constexpr Kind kService{Verdict::allow, "service", "[[firewall.service]]", "a service"};

constexpr std::array<std::string_view, 5> kRejectWith{"tcp-reset", "port-unreachable", "host-unreachable",
                                                      "no-route", "admin-prohibited"};
constexpr std::array<RejectWith, 5> kRejectWithValues{RejectWith::tcp_reset, RejectWith::port_unreachable,
                                                      RejectWith::host_unreachable, RejectWith::no_route,
                                                      RejectWith::admin_prohibited};

bool is_only_tcp(const PolicyRule& rule) {
  return rule.match.protocols.size() == 1 && rule.match.protocols.front() == kProtocolTcp;
}

void read_rule_helper(Section& section, PolicyRule& rule) {
  const auto value = section.value({"helper", "\"ftp\""});
  const auto name = value ? value->text("a helper's name in quotes") : std::nullopt;
  if (!name) return;
  if (kernel_helpers(name->value).empty()) {
    const auto meant = nearest(name->value, kernel_helper_names());
    value->error(fmt::format("the kernel has no helper {}", quoted(name->value)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant)
                       : "`helper` is the `type` of a [[firewall.helper]], for example \"ftp\"");
    return;
  }
  rule.helper = name->value;
  rule.helper_where = name->where;
}

// An allow without a word about protocols would allow all of them by omission.
void check_protocol_or_helper(const Section& section, const Kind& kind, bool takes_helper) {
  const bool protocol = section.has("protocol");
  const bool helper = takes_helper && section.has("helper");
  if (!protocol && !helper && kind.verdict == Verdict::allow) {
    section.diagnostics().error(section.where(),
                                takes_helper ? fmt::format("{} needs 'protocol' or 'helper'", kind.noun)
                                             : fmt::format("{} needs 'protocol'", kind.noun),
                                "for example: protocol = \"tcp\"");
  }
  if (!protocol || !helper) return;
  section.diagnostics().error(
      section.where_key("helper"), fmt::format("{} has either 'protocol' or 'helper'", kind.noun),
      fmt::format("a helper's connections are known by its name alone: split this into two {}", kind.shown));
}

void read_rule_limit(Section& section, PolicyRule& rule) {
  rule.limit = read_limit(section, {"limit", "\"1/second\""});
  if (!rule.limit) return;
  if (rule.verdict == Verdict::allow && rule.limit->over) {
    section.diagnostics().error(section.where_key("limit"), "an allow that allows only what is too much",
                                "leave out \"over\"");
  }
  if (rule.verdict != Verdict::allow && !rule.limit->over) {
    section.diagnostics().error(section.where_key("limit"), "this stops only what keeps to the rate",
                                "what exceeds it is \"over 100/second\"");
  }
}

void read_counter_use(Section& section, PolicyRule& rule) {
  if (const auto counter = section.object_name({"counter", "\"denied\""})) {
    rule.counter = counter->value;
    rule.counter_where = counter->where;
  }
}

void read_flags(Section& section, PolicyRule& rule) {
  rule.tcp_flags = read_tcp_flags(section);
  if (!section.has("tcp_flags") || is_only_tcp(rule)) return;
  section.diagnostics().error(section.where_key("tcp_flags"), "only TCP has these flags",
                              "'tcp_flags' goes with protocol = \"tcp\"");
}

void read_reject_with(Section& section, PolicyRule& rule) {
  const auto with = section.choice({"with", "\"admin-prohibited\""}, kRejectWith);
  if (!with) return;
  rule.reject_with = kRejectWithValues.at(with->value);
  if (rule.reject_with != RejectWith::tcp_reset || is_only_tcp(rule)) return;
  section.diagnostics().error(
      with->where, "only TCP has resets",
      "\"tcp-reset\" goes with protocol = \"tcp\"; without 'with' TCP gets it anyway");
}

void read_flowtable_use(Section& section, PolicyRule& rule) {
  const auto flowtable = section.object_name({"flowtable", "\"fast\""});
  if (!flowtable) return;
  rule.flowtable = flowtable->value;
  rule.flowtable_where = flowtable->where;
  if (rule.helper.empty()) return;
  section.diagnostics().error(flowtable->where, "the flows of a helper are not those of a 'flowtable' here",
                              "[[firewall.flowtable]] with flows = \"expected\" takes them");
}

// `from` of an allow is the inside unless it says otherwise: neither more is allowed than was meant, nor less
// denied.
void read_from(Section& section, PolicyRule& rule, const std::string& inside) {
  const bool defaults = !section.has("from") && rule.verdict == Verdict::allow;
  rule.match.from = read_interfaces(section, {"from", "\"eth1\""});
  if (defaults && !inside.empty()) rule.match.from = {{inside, {}}};
}

PolicyRule read_rule(Section& section, const Kind& kind, const std::string& inside) {
  PolicyRule rule{.verdict = kind.verdict, .where = section.where()};
  read_from(section, rule, inside);
  rule.match.to = read_interfaces(section, {"to", "\"eth0\""});
  read_packets(section, rule.match, {.types = true});
  read_rule_helper(section, rule);
  read_flags(section, rule);
  rule.mark = read_mark(section, {"mark", "16, or \"0x10/0xff\""});
  rule.connection_mark = read_mark(section, {"connection_mark", "16, or \"0x10/0xff\""});
  rule.states = read_states(section);
  read_rule_limit(section, rule);
  rule.log = read_log(section);
  read_counter_use(section, rule);
  rule.comment = read_comment(section);
  if (kind.verdict == Verdict::allow) read_flowtable_use(section, rule);
  if (kind.verdict == Verdict::reject) read_reject_with(section, rule);
  check_protocol_or_helper(section, kind, true);
  section.finish();
  return rule;
}

PolicyRule read_service(Section& section, const std::string& inside) {
  PolicyRule rule{.verdict = Verdict::allow, .where = section.where()};
  read_from(section, rule, inside);
  read_packets(section, rule.match, {.types = true});
  read_rule_limit(section, rule);
  rule.log = read_log(section);
  read_counter_use(section, rule);
  rule.comment = read_comment(section);
  check_protocol_or_helper(section, kService, false);
  section.finish();
  return rule;
}

}  // namespace

std::vector<PolicyRule> read_rules(Section& firewall, const std::string& inside) {
  std::vector<PolicyRule> rules;
  for (const Kind& kind : kKinds) {
    for (Section& one : firewall.tables({kind.key, ""}, std::string(kind.shown), kMaxRules))
      rules.push_back(read_rule(one, kind, inside));
  }
  std::ranges::stable_sort(rules, {}, &PolicyRule::where);
  return rules;
}

std::vector<PolicyRule> read_services(Section& firewall, const std::string& inside) {
  std::vector<PolicyRule> services;
  for (Section& one : firewall.tables({kService.key, ""}, std::string(kService.shown), kMaxRules))
    services.push_back(read_service(one, inside));
  return services;
}

}  // namespace ftfw::config
