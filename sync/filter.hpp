// Which entries travel. The same rules decide on both nodes: what a source sends, and what a replica may
// sweep. A flow is local, and never replicated, if its original source or its reply source is an address of
// the pair; destinations say nothing, because NAT puts a virtual address there for every forwarded flow.
#pragma once

#include <bitset>
#include <set>

#include "sync/observation.hpp"
#include "sync/settings.hpp"

namespace ftfw::sync {

class Filter {
 public:
  explicit Filter(const Settings& settings);

  // Not local, and of a protocol that is replicated.
  bool covers(const ConntrackEntry& entry) const;
  bool covers(const Expectation& expectation) const;
  // For a key alone (a destroyed entry as the peer names it): the reply source is not known.
  bool covers(const EntryKey& key) const;
  bool covers(const ExpectationKey& key) const;

  // TCP goes from its first reply on, so that a flood of SYNs does not double itself. An expected flow goes
  // at once: only its first event names its master.
  bool established_enough(const ConntrackEntry& entry) const;

 private:
  bool replicated(std::uint8_t protocol) const { return protocols_.test(protocol); }
  bool local(const IpAddress& address) const { return local_.contains(address); }

  std::bitset<256> protocols_;
  std::set<IpAddress> local_;
  bool expectations_;
};

}  // namespace ftfw::sync
