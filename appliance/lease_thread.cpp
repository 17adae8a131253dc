#include "appliance/lease_thread.hpp"

#include <condition_variable>
#include <mutex>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {

LeaseThread::LeaseThread(LeaseBook& book, vrrp::VirtualAddresses kernel,
                         std::vector<vrrp::VirtualAddress> addresses, LeaseReports& reports,
                         Liveness& liveness)
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
    auto report =
        book_.with([this](Lease& lease) { return renew_lease(lease, kernel_, addresses_, monotonic_now()); });
    if (report) reports_.try_post(std::move(*report));
    std::unique_lock lock(waiting);
    stopped.wait_for(lock, stop, kRenewEvery, [] { return false; });
  }
}

std::optional<LeaseReport> renew_lease(Lease& lease, vrrp::VirtualAddresses& kernel,
                                       const std::vector<vrrp::VirtualAddress>& addresses, Instant now) {
  if (!lease.held) return std::nullopt;
  if (now - lease.renewed >= lease.renewed_for) {
    lease.held = false;
    return LeaseLapsed{now - lease.renewed};
  }
  if (const Status renewed = kernel.renew(addresses, lease.lifetime); !renewed)
    return LeaseFailed{renewed.error().text};
  lease.renewed = now;
  lease.renewed_for = lease.lifetime;
  return std::nullopt;
}

}  // namespace ftfw
