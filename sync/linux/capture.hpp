// ctnetlink's events of conntracks and expectations. Owned by the capture thread, which does nothing else, so
// that a burst is read as fast as it comes. Invariants: own injections never arrive (a BPF on the injector's
// port id drops them in the kernel); a loss is never silent (read() says overrun).
//
// nlmsg_pid of an event is the port id of who caused it over netlink; what the kernel does by itself carries
// 0, also to replicas (expiry, expectations that end with their master conntrack). Those do arrive.
#pragma once

#include <cstdint>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

struct CaptureSettings {
  std::uint32_t ignore_port_id = 0;     // ConntrackTable::port_id(); 0 ignores nobody
  int receive_buffer_bytes = 32 << 20;  // at the kernel's own cost of about 1 KiB per event
};

struct Captured {
  std::vector<Event> events;  // in the kernel's order; empty: nothing was there
  bool overrun = false;  // events were lost before these (ENOBUFS): only a compare of the tables tells which
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

  int fd() const { return socket_.fd(); }
  const Counters& counters() const { return counters_; }

 private:
  Capture(NetlinkSocket socket);
  void take(ByteSpan datagram, std::vector<Event>& events);

  NetlinkSocket socket_;
  ByteVector buffers_;
  Counters counters_;
};

}  // namespace ftfw::sync
