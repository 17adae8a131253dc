// What a ruleset does with one packet: the same values that become the kernel's batch, walked as the kernel
// walks them (nf_tables_core.c), through all hooks in the order of their priorities. Pure. What it does not
// know: whether a rate is kept or exceeded (both are possible: `exceeded`), which address of a range a NAT
// takes (the first is assumed), and packets of flows that have left for a flowtable's fast path (no rule sees
// them).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "firewall/packet.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

enum class Fate : std::uint8_t {
  delivered,   // to this machine itself
  forwarded,   // or sent, if this machine made it
  dropped,     // without an answer
  rejected,    // with one
  unroutable,  // by no rule: no route leads there, or it was for a group
};

// What a rule did whose conditions the packet met.
enum class Effect : std::uint8_t { goes_on, fast_path, helper, jumps, translates, accepts, drops, rejects };

// One decision. rule: nothing for the policy at the end of a base chain.
struct Decision {
  const Table* table = nullptr;
  const Chain* chain = nullptr;
  const Rule* rule = nullptr;
  Hook hook = Hook::forward;
  Effect effect = Effect::goes_on;
};

struct Translation {
  Decision by;
  Side side = Side::source;
  Endpoint to;
  bool one_of_several = false;  // `to` is the first of a range
};

struct Outcome {
  Fate fate = Fate::dropped;
  std::vector<Decision> path;  // in the order in which the packet met them
  std::vector<Translation> translations;
  std::vector<const Rule*> limited;  // rules whose rate the packet counted for
  Packet packet;                     // as it leaves, or arrives here

  // The drop, or else the last accept that the packet needed. Nothing: no chain of ours judges it.
  const Decision* decisive() const;
  bool passes() const { return fate == Fate::delivered || fate == Fate::forwarded; }
};

using Tables = std::vector<const Table*>;

Tables tables_of(const Ruleset& ruleset);

// tables: those that are awake. exceeded: the rules whose rate is exceeded at the moment.
Outcome evaluate(const Tables& tables, const Surroundings& surroundings, const Packet& packet,
                 std::span<const Rule* const> exceeded = {});

// More combinations of rates are not looked at.
inline constexpr std::size_t kMaxOutcomes = 64;

// All that can happen as rates are kept or exceeded, the one in which all are kept first.
std::vector<Outcome> possible_outcomes(const Tables& tables, const Surroundings& surroundings,
                                       const Packet& packet);

}  // namespace ftfw::firewall
