// What stands in the kernel: the tables of the family inet, which of them are ours, which of those sleep, and
// whether the guard and the shield are up. Read in one consistent generation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firewall/linux/conversation.hpp"
#include "firewall/linux/mark.hpp"
#include "firewall/linux/objects.hpp"

namespace ftfw::firewall {

struct InstalledTable {
  std::string name;
  std::optional<linux_nft::Mark> mark;  // nothing: the table of somebody else
  // Table::digest of what it holds, as far as this loader knows; nothing: another run made it. Not what the
  // mark says: that stays as it was when the table is changed in its place.
  std::optional<std::uint64_t> content = std::nullopt;
  bool dormant = false;
  // It has chains: they come last, so without them a load in pieces has not come to its end.
  bool complete = false;
};

struct Installed {
  std::uint32_t genid = 0;
  std::vector<InstalledTable> tables;
  bool guard = false;   // the chain that closes the machine
  bool gate = false;    // the one that closes it for packets that were past the guard when it came
  bool shield = false;  // the chain that keeps our own stack quiet

  bool closed() const { return guard && gate; }
  const InstalledTable* find(std::string_view name) const;
};

namespace linux_nft {

Result<Installed> read_installed(Conversation& conversation);
// The named counters of a table. Values of one moment each, not of one moment together.
Result<CounterValues> read_counters(Conversation& conversation, const std::string& table);

}  // namespace linux_nft
}  // namespace ftfw::firewall
