// The capture thread: reads ctnetlink events and passes them on, nothing else, so that a burst is not lost
// while somebody is busy. When the kernel's buffer or the mailbox overflows, the next batch says so and
// replication compares.
#pragma once

#include <stop_token>

#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "appliance/status.hpp"
#include "sync/linux/capture.hpp"

namespace ftfw {

class CaptureThread {
 public:
  CaptureThread(sync::Capture capture, CapturedBatches& captured, SharedStatus& status, Liveness& liveness);

  void run(const std::stop_token& stop);

 private:
  void read_events();
  void tell_overrun();
  void publish();

  sync::Capture capture_;
  CapturedBatches& captured_;
  SharedStatus& status_;
  Liveness& liveness_;
  bool overrun_ = false;          // not told yet
  std::uint32_t peak_bytes_ = 0;  // the most that was found waiting
  std::uint64_t mailbox_full_ = 0;
};

}  // namespace ftfw
