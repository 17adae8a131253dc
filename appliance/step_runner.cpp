#include "appliance/step_runner.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "appliance/base/clock.hpp"
#include "vrrp/announcement.hpp"

namespace ftfw {

Status status_of(const firewall::LoadResult& result) {
  if (result) return {};
  std::vector<std::string> refusals;
  for (const firewall::Refusal& refusal : result.error()) {
    refusals.push_back(refusal.where.line == 0 ? fmt::format("{}: {}", refusal.object, refusal.text)
                                               : fmt::format("line {}: {}: {}", refusal.where.line,
                                                             refusal.object, refusal.text));
  }
  return fail(Blame::kernel, fmt::format("{}", fmt::join(refusals, "; ")));
}

std::optional<failover::StepResult> StepRunner::run(const failover::RunStep& step) {
  using failover::Step;
  Status done;
  switch (step.step) {
    case Step::activate_rules:
      done = activate_rules();
      break;
    case Step::commit:
      parts_.to_replication.post(Commit{step.plan});
      return std::nullopt;
    case Step::add_addresses:
      done = add_addresses();
      break;
    case Step::announce:
      done = announce();
      break;
    case Step::become_source:
      parts_.to_replication.post(BecomeSource{step.epoch});
      break;
    case Step::lower_shield:
      done = lower_shield();
      break;
    case Step::remove_addresses:
      done = remove_addresses();
      break;
    case Step::release_claim:
      parts_.to_vrrp.post(ReleaseClaim{});
      break;
    case Step::add_routes:
      done = add_routes();
      break;
    case Step::remove_routes:
      done = remove_routes();
      break;
    case Step::await_peer:
      break;  // the coordinator waits by itself
    case Step::standby_rules:
      done = standby_rules();
      break;
    case Step::become_replica:
      parts_.to_replication.post(BecomeReplica{});
      break;
  }
  return failover::StepResult{
      .plan = step.plan, .step = step.step, .ok = done.has_value(), .error = done ? "" : done.error().text};
}

Status StepRunner::activate_rules() {
  Status activated = status_of(parts_.loader.activate(*parts_.ruleset, true));
  // Where it failed the tables are as they were, behind the guard.
  if (activated) {
    rules_ = "active, shield up";
    stance_ = firewall::Stance::shielded;
  }
  return activated;
}

Status StepRunner::lower_shield() {
  Status lowered = status_of(parts_.loader.lower_shield());
  shield_remains_ = !lowered;
  if (lowered) rules_ = "active";
  if (lowered && stance_ == firewall::Stance::shielded) stance_ = firewall::Stance::active;
  return lowered;
}

Status StepRunner::standby_rules() {
  stance_ = firewall::Stance::standby;
  Status asleep = status_of(parts_.loader.sleep());
  // The tables may be gone or changed by somebody: then the guard alone, which forwards nothing, and a new
  // load. One that gives way to a takeover is done again later.
  if (!asleep) {
    const firewall::LoadResult loaded = parts_.loader.stand_by(*parts_.ruleset, parts_.interrupted);
    asleep = status_of(loaded);
    if (loaded && loaded->interrupted) asleep = fail(Blame::kernel, "the load gave way to the election");
  }
  rules_remain_ = !asleep;
  if (asleep) rules_ = "asleep behind the guard";
  return asleep;
}

Status StepRunner::mend(failover::Role role) {
  if (role == failover::Role::primary) {
    Status mended = shield_remains_ ? lower_shield() : Status{};
    if (Status added = routes_lack_ ? add_routes() : Status{}; !added) mended = std::move(added);
    return mended;
  }
  Status mended;
  if (addresses_remain_) mended = remove_addresses();
  if (routes_remain_) {
    if (Status removed = remove_routes(); !removed) mended = std::move(removed);
  }
  if (Status asleep = rules_remain_ ? standby_rules() : Status{}; !asleep) mended = std::move(asleep);
  return mended;
}

Status StepRunner::add_addresses() {
  return parts_.lease.with([this](Lease& lease) -> Status {
    const Instant now = monotonic_now();
    if (Status added = parts_.holdings.add_addresses(lease.lifetime); !added) return added;
    lease.held = true;
    lease.renewed = now;
    lease.renewed_for = lease.lifetime;
    return {};
  });
}

Status StepRunner::remove_addresses() {
  return parts_.lease.with([this](Lease& lease) -> Status {
    lease.held = false;
    Status removed = parts_.holdings.remove_addresses();
    addresses_remain_ = !removed;
    return removed;
  });
}

Status StepRunner::add_routes() {
  Status added = parts_.holdings.add_routes();
  routes_lack_ = !added;
  return added;
}

Status StepRunner::remove_routes() {
  routes_lack_ = false;
  Status removed = parts_.holdings.remove_routes();
  routes_remain_ = !removed;
  return removed;
}

Status StepRunner::announce() {
  std::vector<std::string> problems;
  for (const vrrp::RouterSettings& router : parts_.election.routers) {
    // A virtual router's own MAC is announced from the interface below its macvlan.
    const auto mac = router.virtual_mac ? Result<MacAddress>(router.virtual_mac->address)
                                        : parts_.announcer.mac_of(router.interface);
    if (!mac) {
      problems.push_back(mac.error().text);
      continue;
    }
    for (const auto* list : {&router.addresses, &router.excluded}) {
      for (const IpAddress& address : *list) {
        for (const ByteVector& frame :
             vrrp::announcement_frames(*mac, address, parts_.election.announcements.arp)) {
          const Status sent = parts_.announcer.send(router.interface, frame);
          if (!sent) problems.push_back(sent.error().text);
        }
      }
    }
  }
  if (problems.empty()) return {};
  return fail(Blame::kernel, fmt::format("{}", fmt::join(problems, "; ")));
}

}  // namespace ftfw
