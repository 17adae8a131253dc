// ctnetlink's events of conntracks and expectations. Owned by the capture thread, which does nothing else, so
// that a burst is read as fast as it comes. Invariants: own injections never arrive (event_filter.hpp drops
// them in the kernel, and what is not replicated anyway); a loss is never silent (read() says overrun).
//
// nlmsg_pid of an event is the port id of who caused it over netlink; what the kernel does by itself carries
// 0, also to replicas (expiry, expectations that end with their master conntrack). Those do arrive.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"
#include "sync/linux/event_filter.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

struct CaptureSettings {
  EventFilterSettings filter;  // ignore_port_id is ConntrackTable::port_id()
  bool expectations = true;
  // The kernel doubles it, and counts 1280 bytes for an event (measured): some 100,000 events.
  int receive_buffer_bytes = 64 << 20;
  // A destroy event that does not fit into the buffer is tried again by the kernel (NETLINK_BROADCAST_ERROR).
  // Until then the dead entry stays in memory and counts towards nf_conntrack_max: a reader that is too slow
  // for long fills the table. An overrun is reported all the same: what else was lost is not tried again
  // before the flow's next event.
  bool reliable_destroy = false;
};

// Of the socket's buffer, as the kernel counts (SO_MEMINFO).
struct CaptureBuffer {
  std::uint32_t used_bytes = 0;
  std::uint32_t size_bytes = 0;
  std::uint32_t lost_events = 0;  // since the start
};

struct Captured {
  std::vector<Event> events;  // in the kernel's order; empty: nothing was there
  bool overrun = false;  // events were lost before these (ENOBUFS): only a compare of the tables tells which
};

// Whether the kernel makes events for a Capture. While nobody wants them it saves the kernel half of what an
// injection costs (2 us of 5 an entry, measured). May be used on another thread than the Capture's.
class CaptureSwitch {
 public:
  // The Capture listens when it is opened.
  Status listen(bool wanted);

 private:
  friend class Capture;
  CaptureSwitch(UniqueFd socket, bool expectations)
      : socket_(std::move(socket)), expectations_(expectations) {}

  UniqueFd socket_;  // of the Capture's socket, another descriptor
  bool expectations_;
  bool listening_ = true;
};

class Capture {
 public:
  struct Counters {
    std::uint64_t events = 0;
    std::uint64_t overruns = 0;
    std::uint64_t unparsable = 0;
    std::uint64_t foreign_senders = 0;  // datagrams that did not come from the kernel
  };

  static Result<Capture> open(const CaptureSettings& settings);

  // Up to one batch (64 events), without waiting. Call it until it returns no event.
  Result<Captured> read();

  Result<CaptureSwitch> make_switch() const;
  CaptureBuffer buffer() const;
  int fd() const { return socket_.fd(); }
  const Counters& counters() const { return counters_; }

 private:
  Capture(NetlinkSocket socket, bool expectations);
  void take(ByteSpan datagram, std::vector<Event>& events);

  NetlinkSocket socket_;
  bool expectations_;
  ByteVector buffers_;
  Counters counters_;
};

}  // namespace ftfw::sync
