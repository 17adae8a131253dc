#include "appliance/capture_thread.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/base/event_loop.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {
namespace {

constexpr int kBatchesPerRound = 256;
// An overrun that the mailbox had no room for: its reader has emptied some of it by then.
constexpr Duration kTellAgain = 20ms;

}  // namespace

CaptureThread::CaptureThread(sync::Capture capture, CapturedBatches& captured, SharedStatus& status,
                             Liveness& liveness)
    : capture_(std::move(capture)), captured_(captured), status_(status), liveness_(liveness) {}

void CaptureThread::run(const std::stop_token& stop) {
  name_this_thread("ftfw-capture");
  EventLoop loop;
  // Fails only without memory for one descriptor; then every round is a beat and nothing is read, which the
  // compare of the tables makes up for.
  [[maybe_unused]] const Status watched =
      loop.watch(capture_.fd(), EPOLLIN, [this](std::uint32_t) { read_events(); });
  const std::stop_callback wake(stop, [&loop] { loop.wake(); });
  Instant next_publication{};
  while (!stop.stop_requested()) {
    const Instant now = monotonic_now();
    liveness_.beat(ThreadName::capture, now);
    if (now >= next_publication) {
      publish();
      next_publication = now + kBeatInterval;
    }
    tell_overrun();
    loop.run_once(overrun_ ? std::min(next_publication, now + kTellAgain) : next_publication);
  }
}

// A bounded number of batches a round, so that the thread shows that it lives and hears a stop in any flood;
// the descriptor stays readable for the next round.
void CaptureThread::read_events() {
  peak_bytes_ = std::max(peak_bytes_, capture_.buffer().used_bytes);
  for (int batch = 0; batch < kBatchesPerRound; ++batch) {
    auto captured = capture_.read();
    if (!captured) return;
    const bool done = captured->events.empty() && !captured->overrun;
    overrun_ = overrun_ || captured->overrun;
    if (done && !overrun_) return;
    // An overrun that did not fit into the mailbox stays noted and goes with the next batch, or alone.
    const bool told = captured_.try_post({.events = std::move(captured->events), .overrun = overrun_});
    overrun_ = !told;
    mailbox_full_ += told ? 0 : 1;
    if (done) return;
  }
}

// The last of a burst may be what was lost: no further event need come.
void CaptureThread::tell_overrun() {
  if (overrun_ && captured_.has_room()) overrun_ = !captured_.try_post({.events = {}, .overrun = true});
}

void CaptureThread::publish() {
  const sync::Capture::Counters& counters = capture_.counters();
  const sync::CaptureBuffer buffer = capture_.buffer();
  status_.with([&](StatusBoard& board) {
    board.replication.capture = {{"read", counters.events},
                                 {"lost", buffer.lost_events},
                                 {"overruns", counters.overruns},
                                 {"mailbox full", mailbox_full_},
                                 {"unparsable", counters.unparsable},
                                 {"from strangers", counters.foreign_senders},
                                 {"buffer KiB", buffer.size_bytes / 1024},
                                 {"buffer peak KiB", peak_bytes_ / 1024}};
  });
}

}  // namespace ftfw
