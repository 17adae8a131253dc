// Tells what other programs commit: which tables of the family inet they touched, what of them, and who it
// was. Owned and used by one thread; the descriptor never blocks. Our own commits never come here: the socket
// filters them out by the port id of the loader's conversation, so that a load of 100,000 elements cannot
// fill the buffer. Of an object that is named like one of ours only the table tells whether it is: the caller
// knows his tables. Sources: nf_tables_api.c (nft_commit_notify: the events of a transaction, then NEWGEN).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "appliance/base/netlink_events.hpp"
#include "appliance/base/result.hpp"

struct nlmsghdr;

namespace ftfw::firewall {

// What happened to one table.
struct Touched {
  bool deleted = false;            // the table; it may have been made again
  bool itself = false;             // made, put to sleep or woken
  bool chains = false;             // chains or rules
  bool objects = false;            // sets, counters, helpers, flowtables were made or deleted
  std::set<std::string> elements;  // of these sets

  void merge(const Touched& more);
};

using TouchedTables = std::map<std::string, Touched>;

// One transaction of another program.
struct ForeignCommit {
  std::uint32_t genid = 0;
  std::uint32_t process = 0;  // 0: not known
  std::string program;
  TouchedTables tables;
};

struct ForeignCommits {
  std::vector<ForeignCommit> commits;
  // More may have happened than is told.
  bool lost = false;
};

// "deleted table ftfw, changed rules in nat"
std::string describe(const TouchedTables& tables);

class RulesetWatch {
 public:
  // own_port: whose commits are not told.
  static Result<RulesetWatch> open(std::uint32_t own_port);

  int fd() const { return events_.fd(); }

  // Takes in the waiting events, a bounded number in one call.
  Result<ForeignCommits> read();

 private:
  explicit RulesetWatch(NetlinkEvents events) : events_(std::move(events)) {}
  void take(const nlmsghdr& message, ForeignCommits& commits);

  NetlinkEvents events_;
  ForeignCommit open_;  // its NEWGEN has not come yet
};

}  // namespace ftfw::firewall
