// Link, primary IPv4 address and IPv6 link-local address of named interfaces, kept current by rtnetlink
// events. Owned and used by one thread, which never waits here: what events cannot tell (some were lost, or
// an interface appeared with addresses) is asked of the kernel by the thread of a LinkTableReader. Invariant:
// nothing older wins over what an event said; events that come while the kernel is asked are applied at once,
// kept, and applied to the answer again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"
#include "vrrp/linux/link_table_reader.hpp"
#include "vrrp/linux/link_tables.hpp"

namespace ftfw::vrrp {

struct LinkChange {
  std::size_t interface = 0;  // index into the names given to open()
  LinkState state;
  bool recreated = false;  // the index is another one: sockets bound to the interface must rejoin
};

struct LinkNews {
  std::vector<LinkChange> changes;  // against what was told before, one entry an interface
  std::optional<Error> trouble;     // told once; what is known stays, and the watch tries again
};

class LinkWatch {
 public:
  // Reads the present state, and waits for it; an interface that does not exist is no error.
  static Result<LinkWatch> open(std::vector<std::string> interfaces);

  // Whichever is readable, read() is due.
  std::array<int, 2> fds() const { return {events_.fd(), reader_->fd()}; }
  const LinkState& state(std::size_t interface) const { return tables_.state(interface); }

  // Takes in the waiting events, a bounded number, and tables that were read meanwhile.
  LinkNews read();

  std::uint64_t lost_events() const { return lost_events_; }

 private:
  LinkWatch(NetlinkSocket events, std::unique_ptr<LinkTableReader> reader, LinkTables tables);

  void take_answers(LinkNews& news);
  bool take_events(LinkNews& news);
  void take(const LinkTableEvent& event);
  void use_answer();
  void ask_if_needed();
  std::vector<LinkChange> changes();

  NetlinkSocket events_;
  std::unique_ptr<LinkTableReader> reader_;  // stays where its thread knows it
  LinkTables tables_;
  std::vector<LinkState> told_;  // by read()

  bool asking_ = false;               // the reader's answer is awaited
  std::optional<LinkTables> answer_;  // used once no older event waits
  std::vector<LinkTableEvent> kept_;  // since the reader was asked
  bool lost_ = false;                 // events, since the reader was asked: its answer would be of no use
  bool incomplete_ = false;           // addresses may be missing from what is known
  bool receive_fails_ = false;
  std::uint64_t lost_events_ = 0;
};

}  // namespace ftfw::vrrp
