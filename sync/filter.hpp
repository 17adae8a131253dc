// Which entries travel. The same rules decide on both nodes: what a source sends, and what a replica may
// sweep. A flow is local, and never replicated, if its original source or its reply source is an address of
// the pair; destinations say nothing, because NAT puts a virtual address there for every forwarded flow.
// Of the flows that are covered, the source sends those in a state that travels; the replica takes them all,
// so that one that should not be there is a difference and is swept.
#pragma once

#include <bitset>
#include <set>
#include <vector>

#include "sync/observation.hpp"
#include "sync/settings.hpp"

namespace ftfw::sync {

class Filter {
 public:
  explicit Filter(const Settings& settings);

  // Not local, of a protocol that is replicated, and of no excluded network. An expectation's master besides
  // in a state that can travel: the replica's kernel refuses an expectation of nobody.
  bool covers(const ConntrackEntry& entry) const;
  bool covers(const Expectation& expectation) const;
  // For a key alone (a destroyed entry as the peer names it): the reply source is not known.
  bool covers(const EntryKey& key) const;
  bool covers(const ExpectationKey& key) const;

  // In a state that travels, or says nothing about it. By itself TCP goes from its first reply on, so that a
  // flood of SYNs does not double itself. An expected flow goes at once and in every state: only its first
  // event names its master.
  bool travels(const ConntrackEntry& entry) const;
  // TCP without a reply, where it has to have one: nothing of it was ever sent.
  bool awaits_reply(const ConntrackEntry& entry) const;
  bool sends_unanswered() const { return tcp_states_.test(static_cast<std::size_t>(TcpState::syn_sent)); }
  // Some flows that were answered do not travel: then an update of a flow that the replica does not have is
  // nothing unusual.
  bool excludes_answered() const;

 private:
  bool replicated(std::uint8_t protocol) const { return protocols_.test(protocol); }
  bool local(const IpAddress& address) const { return local_.contains(address); }
  bool excluded(const IpAddress& address) const;
  bool excluded_end(const Tuple& original) const {
    return excluded(original.source) || excluded(original.destination);
  }

  std::bitset<256> protocols_;
  std::set<IpAddress> local_;
  std::vector<IpPrefix> excluded_;
  std::bitset<16> tcp_states_;
  bool expectations_;
};

}  // namespace ftfw::sync
