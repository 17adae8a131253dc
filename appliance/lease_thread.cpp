#include "appliance/lease_thread.hpp"

#include <condition_variable>
#include <mutex>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {

LeaseThread::LeaseThread(LeaseBook& book, vrrp::VirtualAddresses kernel,
                         std::vector<vrrp::VirtualAddress> addresses, LeaseReports& reports, Liveness& liveness)
    : book_(book),
      kernel_(std::move(kernel)),
      addresses_(std::move(addresses)),
      reports_(reports),
      liveness_(liveness) {}

void LeaseThread::run(const std::stop_token& stop) {
  name_this_thread("ftfw-lease");
  // Without the privilege it renews under normal scheduling; the vrrp thread reports the same refusal once.
  [[maybe_unused]] const Status realtime = use_realtime_scheduling(kLeasePriority);
  std::mutex waiting;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    liveness_.beat(ThreadName::lease, monotonic_now());
    book_.with([this](Lease& lease) { renew(lease); });
    std::unique_lock lock(waiting);
    stopped.wait_for(lock, stop, kRenewEvery, [] { return false; });
  }
}

void LeaseThread::renew(Lease& lease) {
  if (!lease.held) return;
  const Instant now = monotonic_now();
  if (now - lease.renewed >= lease.renewed_for) {
    // The kernel has taken the addresses away, or is about to: somebody else may hold them by now.
    lease.held = false;
    reports_.try_post(LeaseLapsed{now - lease.renewed});
    return;
  }
  if (const auto renewed = kernel_.renew(addresses_, lease.lifetime); !renewed) {
    reports_.try_post(LeaseFailed{renewed.error().text});
    return;
  }
  lease.renewed = now;
  lease.renewed_for = lease.lifetime;
}

}  // namespace ftfw
