#include "appliance/lease_thread.hpp"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {
namespace {

bool is_among(const std::vector<vrrp::VirtualAddress>& some, const vrrp::VirtualAddress& one) {
  return std::ranges::find(some, one) != some.end();
}

}  // namespace

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

std::optional<LeaseReport> lapse_if_late(Lease& lease, Instant now) {
  if (!lease.held || now - lease.renewed < lease.renewed_for) return std::nullopt;
  lease.held = false;
  return LeaseLapsed{now - lease.renewed};
}

std::optional<LeaseReport> renew_lease(Lease& lease, vrrp::VirtualAddresses& kernel,
                                       const std::vector<vrrp::VirtualAddress>& addresses, Instant now) {
  if (auto lapsed = lapse_if_late(lease, now)) return lapsed;
  if (!lease.held) return std::nullopt;
  std::vector<vrrp::VirtualAddress> renewable;
  std::ranges::copy_if(addresses, std::back_inserter(renewable),
                       [&](const auto& each) { return !is_among(lease.withheld, each); });
  const auto refused = kernel.renew(renewable, lease.lifetime);
  if (refused.size() < renewable.size()) {
    lease.renewed = now;
    lease.renewed_for = lease.lifetime;
  }
  std::string fresh;
  for (const vrrp::RefusedAddress& each : refused) {
    if (is_among(lease.refused, each.address)) continue;
    fresh += (fresh.empty() ? "" : "; ") + each.why.text;
  }
  lease.refused.clear();
  for (const vrrp::RefusedAddress& each : refused) lease.refused.push_back(each.address);
  if (fresh.empty()) return std::nullopt;
  return LeaseFailed{std::move(fresh)};
}

}  // namespace ftfw
