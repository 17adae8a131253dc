#include "firewall/evaluate.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <set>

#include "firewall/rule_walk.hpp"

namespace ftfw::firewall {
namespace {

// Where the kernel translates known flows (linux/netfilter_ipv4.h).
constexpr std::int32_t kPriorityDestinationNat = -100;
constexpr std::int32_t kPrioritySourceNat = 100;

struct Hooked {
  const Table* table;
  const Chain* chain;
};

std::vector<Hooked> chains_at(const Tables& tables, Hook hook) {
  std::vector<Hooked> found;
  for (const Table* table : tables) {
    for (const Chain& chain : table->chains) {
      if (chain.base && chain.base->hook == hook) found.push_back({table, &chain});
    }
  }
  std::ranges::stable_sort(found, {}, [](const Hooked& one) { return one.chain->base->priority; });
  return found;
}

const Chain* chain_named(const Table& table, const std::string& name) {
  const auto found = std::ranges::find(table.chains, name, &Chain::name);
  return found == table.chains.end() ? nullptr : &*found;
}

// NAT rules are asked once for a flow. A related packet is the first of an expected flow, or an ICMP error
// about one that is there.
bool asks_nat_rules(const Packet& packet) {
  if (packet.flow.state == FlowState::fresh) return true;
  const bool error = packet.protocol == IPPROTO_ICMP || packet.protocol == IPPROTO_ICMPV6;
  return packet.flow.state == FlowState::related && !error;
}

class Journey {
 public:
  Journey(const Tables& tables, const Surroundings& surroundings, const Packet& packet,
          std::span<const Rule* const> exceeded)
      : tables_(tables), surroundings_(surroundings), exceeded_(exceeded) {
    outcome_.packet = packet;
  }

  Outcome run() {
    Packet& packet = outcome_.packet;
    const bool made_here = packet.in.empty();
    const bool to_group =
        !made_here && surroundings_.route(packet.destination).destination == Destination::group;
    if (!made_here && !passes(Hook::prerouting)) return std::move(outcome_);
    const Route route = surroundings_.route(packet.destination);
    if (route.destination == Destination::nowhere) return end(Fate::unroutable);
    const bool here = !made_here && route.destination != Destination::elsewhere;
    // What came for a group is not forwarded, wherever NAT sends it (ip_forward, skb->pkt_type).
    if (to_group && !here) return end(Fate::unroutable);
    if (here) {
      if (passes(Hook::input)) return end(Fate::delivered);
      return std::move(outcome_);
    }
    if (packet.out.empty()) packet.out = route.out;
    if (!passes(made_here ? Hook::output : Hook::forward)) return std::move(outcome_);
    if (passes(Hook::postrouting)) return end(Fate::forwarded);
    return std::move(outcome_);
  }

 private:
  Outcome end(Fate fate) {
    outcome_.fate = fate;
    return std::move(outcome_);
  }

  // All chains of the hook; false: one of them has ended the journey.
  bool passes(Hook hook) {
    const bool before_routing = hook == Hook::prerouting;
    // Sources in the last hook, whether the packet leaves or stays.
    bool rewritten = hook == Hook::forward || hook == Hook::output;
    const std::int32_t nat = before_routing ? kPriorityDestinationNat : kPrioritySourceNat;
    for (const Hooked& each : chains_at(tables_, hook)) {
      if (!rewritten && each.chain->base->priority >= nat) {
        rewritten = true;
        rewrite(before_routing);
      }
      if (each.chain->base->type == ChainType::nat && !asks_nat_rules(outcome_.packet)) continue;
      if (!passes(each, hook)) return false;
    }
    if (!rewritten) rewrite(before_routing);
    return true;
  }

  // A known flow, by what was decided when it began.
  void rewrite(bool before_routing) {
    Packet& packet = outcome_.packet;
    if (asks_nat_rules(packet)) return;
    if (before_routing && packet.flow.rewrite.destination) {
      packet.destination = packet.flow.rewrite.destination->address;
      packet.destination_port = packet.flow.rewrite.destination->port;
    }
    if (!before_routing && packet.flow.rewrite.source) {
      packet.source = packet.flow.rewrite.source->address;
      packet.source_port = packet.flow.rewrite.source->port;
    }
  }

  bool passes(const Hooked& base, Hook hook) {
    const Chain* chain = base.chain;
    while (chain != nullptr) {
      const Chain* next = nullptr;
      for (const Rule& rule : chain->rules) {
        const bool exceeded = std::ranges::find(exceeded_, &rule) != exceeded_.end();
        RuleWalk walk(*base.table, surroundings_, outcome_.packet, hook, exceeded);
        const auto effect = walk.walk(rule);
        if (walk.met_limit()) outcome_.limited.push_back(&rule);
        if (!effect) continue;
        const Decision decision{base.table, chain, &rule, hook, *effect};
        outcome_.path.push_back(decision);
        switch (*effect) {
          case Effect::goes_on:
          case Effect::fast_path:
          case Effect::helper:
            continue;
          case Effect::jumps:
            next = chain_named(*base.table, walk.chain());
            break;
          case Effect::translates:
            translate(decision, *walk.translation());
            return true;
          case Effect::accepts:
            return true;
          case Effect::drops:
          case Effect::rejects:
            outcome_.fate = *effect == Effect::drops ? Fate::dropped : Fate::rejected;
            return false;
        }
        break;
      }
      chain = next;  // `goto` does not come back: behind its end comes the policy
    }
    const bool drops = base.chain->base->policy == Policy::drop;
    outcome_.path.push_back({base.table, base.chain, nullptr, hook, drops ? Effect::drops : Effect::accepts});
    return !drops;
  }

  // The status bit stands only where something changed (nf_nat_setup_info).
  void translate(const Decision& by, Translation translation) {
    translation.by = by;
    Packet& packet = outcome_.packet;
    if (translation.side == Side::source) {
      packet.source = translation.to.address;
      packet.source_port = translation.to.port;
    } else {
      const Endpoint old{packet.destination, packet.destination_port};
      packet.flow.destination_translated = old != translation.to;
      packet.destination = translation.to.address;
      packet.destination_port = translation.to.port;
    }
    outcome_.translations.push_back(translation);
  }

  const Tables& tables_;
  const Surroundings& surroundings_;
  std::span<const Rule* const> exceeded_;
  Outcome outcome_;
};

}  // namespace

const Decision* Outcome::decisive() const {
  const Decision* found = nullptr;
  for (const Decision& one : path) {
    const bool judges = one.hook == Hook::input || one.hook == Hook::forward;
    const bool ends = one.effect == Effect::drops || one.effect == Effect::rejects;
    if (ends || (judges && one.effect == Effect::accepts)) found = &one;
  }
  return found;
}

Tables tables_of(const Ruleset& ruleset) {
  Tables tables;
  for (const Table& table : ruleset) tables.push_back(&table);
  return tables;
}

Outcome evaluate(const Tables& tables, const Surroundings& surroundings, const Packet& packet,
                 std::span<const Rule* const> exceeded) {
  return Journey(tables, surroundings, packet, exceeded).run();
}

std::vector<Outcome> possible_outcomes(const Tables& tables, const Surroundings& surroundings,
                                       const Packet& packet) {
  std::vector<Outcome> outcomes;
  std::set<std::vector<const Rule*>> seen{{}};
  std::deque<std::vector<const Rule*>> waiting{{}};
  while (!waiting.empty() && outcomes.size() < kMaxOutcomes) {
    const std::vector<const Rule*> exceeded = std::move(waiting.front());
    waiting.pop_front();
    outcomes.push_back(evaluate(tables, surroundings, packet, exceeded));
    for (const Rule* rule : outcomes.back().limited) {
      std::vector<const Rule*> more = exceeded;
      const auto place = std::ranges::lower_bound(more, rule);
      if (place != more.end() && *place == rule) continue;
      more.insert(place, rule);
      if (seen.insert(more).second) waiting.push_back(std::move(more));
    }
  }
  return outcomes;
}

}  // namespace ftfw::firewall
