#include "sync/counters.hpp"

#include <array>
#include <bit>

namespace ftfw::sync {
namespace {

using Values = std::array<std::uint64_t, sizeof(Counters) / sizeof(std::uint64_t)>;
static_assert(sizeof(Values) == sizeof(Counters), "counters are 64 bits each, and nothing else");

}  // namespace

Counters sum_of(const Counters& own, std::span<const Counters* const> conversations) {
  Values sums = std::bit_cast<Values>(own);
  for (const Counters* conversation : conversations) {
    const Values values = std::bit_cast<Values>(*conversation);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += values[i];
  }
  Counters sum = std::bit_cast<Counters>(sums);
  if (conversations.size() < 2) return sum;
  const Counters& one = *conversations.front();
  sum.events = own.events + one.events;
  sum.events_of_replica = own.events_of_replica + one.events_of_replica;
  sum.events_filtered = own.events_filtered + one.events_filtered;
  sum.flows_ended_young = own.flows_ended_young + one.flows_ended_young;
  sum.overruns = own.overruns + one.overruns;
  return sum;
}

}  // namespace ftfw::sync
