// The vrrp thread: the election engine with its raw sockets, the link events and the timers. SCHED_FIFO,
// memory locked; it opens no file, takes no lock and writes no log line: what it has to say goes into a
// mailbox. The one call that can wait is reading the links anew (in the kernel, behind the lock of rtnetlink)
// after link events were lost or an interface was made again.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <stop_token>
#include <vector>

#include "appliance/base/event_loop.hpp"
#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "vrrp/engine.hpp"
#include "vrrp/linux/advertisement_socket.hpp"
#include "vrrp/linux/link_watch.hpp"

namespace ftfw {

class VrrpThread {
 public:
  VrrpThread(vrrp::Settings settings, VrrpCommands& commands, VrrpReports& reports, Liveness& liveness);

  // On the main thread, before run(): everything that can fail.
  Status open();

  void run(const std::stop_token& stop);

 private:
  void read_links();
  void use_link(Instant now, const vrrp::LinkChange& change);
  void read_packets(std::size_t router);
  void send(const vrrp::SendAdvertisement& advertisement);
  void obey_commands();
  void carry_out_outputs();
  void report_status(Instant now);
  std::optional<Instant> next_deadline() const;
  Instant time_now();

  vrrp::Engine engine_;
  VrrpCommands& commands_;
  Sender<VrrpReport> reports_;
  Liveness& liveness_;
  EventLoop loop_;
  std::optional<vrrp::LinkWatch> links_;
  std::vector<std::optional<vrrp::AdvertisementSocket>>
      sockets_;  // per router; none while its interface is gone
  struct SendFailures {
    std::uint64_t count = 0;
    std::map<IpAddress, int> last_error;  // by destination; told once until it changes
  };
  std::vector<SendFailures> send_failures_;  // per router
  Instant next_status_{};
  Duration suspended_{};  // since the start of the machine, when last asked
};

}  // namespace ftfw
