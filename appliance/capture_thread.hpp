// The capture thread: reads ctnetlink events and passes them on, nothing else, so that a burst is not lost
// while somebody is busy. When the kernel's buffer or the mailbox overflows, the next batch says so and
// replication compares.
#pragma once

#include <stop_token>

#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "sync/linux/capture.hpp"

namespace ftfw {

class CaptureThread {
 public:
  CaptureThread(sync::Capture capture, CapturedBatches& captured, Liveness& liveness);

  void run(const std::stop_token& stop);

 private:
  void read_events();

  sync::Capture capture_;
  CapturedBatches& captured_;
  Liveness& liveness_;
  bool overrun_ = false;  // not told yet
};

}  // namespace ftfw
