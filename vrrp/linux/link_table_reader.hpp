// Asks the kernel for the links and addresses of named interfaces on a thread of its own: every such question
// waits for the lock of rtnetlink, for as long as others hold it. The watching thread only posts and takes,
// by the mailboxes, and never waits. Whoever calls start() gives the thread its network namespace and
// scheduling. Sources: net/core/rtnetlink.c (rtnl_getlink), net/ipv4/devinet.c
// (inet_dump_ifaddr), rtnetlink(7).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "appliance/base/mailbox.hpp"
#include "appliance/base/result.hpp"
#include "vrrp/linux/link_tables.hpp"

namespace ftfw::vrrp {

class LinkTableReader {
 public:
  // Answers one question at a time; until an answer with tables has come there is no use in another.
  explicit LinkTableReader(std::vector<std::string> interfaces);
  ~LinkTableReader();
  LinkTableReader(const LinkTableReader&) = delete;
  LinkTableReader& operator=(const LinkTableReader&) = delete;

  // In the calling thread, which waits. An answer that others' changes interrupted is asked for again, a
  // bounded number of times: it may leave something out (NLM_F_DUMP_INTR).
  Result<LinkTables> read_now() const;

  // Watching thread. A failed read is told once, and then repeated until it succeeds.
  void request();
  int fd() const { return answers_.wake_fd(); }
  void clear_wakeups() { answers_.clear_wakeups(); }
  std::optional<Result<LinkTables>> take() { return answers_.take(); }

 private:
  struct Question {};

  void work(const std::stop_token& stop);

  const std::vector<std::string> interfaces_;
  Mailbox<Question> questions_;
  Mailbox<Result<LinkTables>> answers_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace ftfw::vrrp
