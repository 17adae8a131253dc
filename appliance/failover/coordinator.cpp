#include "appliance/failover/coordinator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ftfw::failover {
namespace {

Transition transition_of(Role from, Role to) {
  switch (to) {
    case Role::primary:
      return Transition::take_over;
    case Role::fault:
      return Transition::fault;
    case Role::starting:
    case Role::backup:
      break;
  }
  return from == Role::starting ? Transition::stand_by : Transition::give_way;
}

// A round that is late by more than this is not sent: this node was not run, another one may be primary by
// now, and an announcement would draw the neighbours away from it. If this node still is primary, they know
// it.
constexpr Duration kStaleRound = 500ms;

bool is_about_routes(Step step) {
  return step == Step::add_routes || step == Step::remove_routes;
}

// Traffic flows again once the addresses are announced; the shield only delays packets of flows nobody knows.
bool traffic_waits_for(Step step) {
  return step != Step::lower_shield;
}

}  // namespace

Coordinator::Coordinator(Settings settings) : settings_(std::move(settings)), peers_(settings_.peers) {}

void Coordinator::on_role_change(Instant now, RoleChange change) {
  if (stopping_ && change.to == Role::primary) return;  // a claim that crossed our order to release
  const Role former = std::exchange(role_, change.to);
  // A hand-over or withdrawal is the longer form of the same change: what the election reports is its own
  // doing.
  if (plan_ && change.to == Role::backup &&
      (plan_->timeline.transition == Transition::hand_over ||
       plan_->timeline.transition == Transition::withdraw)) {
    return;
  }
  if (change.to == Role::primary) {
    for (const PeerView& peer : peers_) epoch_ = std::max({epoch_, peer.epoch, peer.obeyed});
    ++epoch_;
  }
  begin(now, transition_of(former, change.to), change.to, std::move(change.cause), change.at,
        change.last_heard);
}

void Coordinator::on_step_finished(Instant now, const StepResult& result) {
  if (result.step == Step::commit && committing_ == result.plan) {
    committing_.reset();
    commit_finished_ = true;
    // The plan went on without it and only the shield waits.
    if (plan_ && plan_->id == result.plan && current_step() == Step::lower_shield && plan_->step_limit) {
      plan_->step_limit.reset();
      outputs_.push_back(RunStep{plan_->id, Step::lower_shield, epoch_});
      return;
    }
  }
  if (!plan_ || plan_->id != result.plan || current_step() != result.step) {
    ++late_answers_;
    return;
  }
  if (!result.ok) {
    outputs_.push_back(Alarm{
        fmt::format("{}: {}: {}", name_of(plan_->timeline.transition), name_of(result.step), result.error)});
    const auto planned = steps_of(plan_->timeline.transition)[plan_->index];
    if (planned.on_failure == OnFailure::withdraw) {
      withdraw(now, fmt::format("{} failed: {}", name_of(result.step), result.error));
      return;
    }
  }
  finish_step(now, result.ok);
}

void Coordinator::on_peer(Instant, std::size_t place, const PeerView& peer) {
  peers_[place] = peer;
  // What a peer obeys is our own epoch in an undisturbed group; what it claimed itself must be older. One
  // that hears a living source of a newer epoch has another primary than us: that is the election's to
  // settle, and two primaries that outbid each other over a third node would go on for ever.
  if (role_ == Role::primary && peer.alive && !peer.primary &&
      (peer.epoch >= epoch_ || (peer.obeyed > epoch_ && !peer.hears_source))) {
    epoch_ = std::max(peer.epoch, peer.obeyed) + 1;
    outputs_.push_back(RaiseEpoch{epoch_});
  }
}

void Coordinator::on_active_peer_heard(Instant now) {
  if (plan_ && current_step() == Step::await_peer) {
    finish_step(now, true);
  } else if (role_ == Role::backup && leftovers_possible_ && !stopping_) {
    begin(now, Transition::give_way, Role::backup, "another node is primary", now, std::nullopt);
  }
}

void Coordinator::on_lease_lapsed(Instant now) {
  if (role_ != Role::primary || stopping_) return;
  withdraw(now, "the lease of the virtual addresses lapsed");
  resume_claims_at_ = now;
}

void Coordinator::on_announce_again(Instant now) {
  if (role_ != Role::primary || plan_) return;
  outputs_.push_back(AnnounceRound{});
  announcements_due_.clear();
  for (const Duration offset : settings_.announcement_rounds) announcements_due_.push_back(now + offset);
}

void Coordinator::request_stop(Instant now) {
  if (std::exchange(stopping_, true)) {
    ready_to_exit_ = true;  // asked twice: do not wait for anybody any more
    outputs_.push_back(ReadyToExit{});
    return;
  }
  resume_claims_at_.reset();
  const bool handing_over = plan_ && plan_->timeline.transition == Transition::hand_over;
  if (!handing_over) begin(now, Transition::hand_over, Role::backup, "asked to stop", now, std::nullopt);
}

void Coordinator::on_timer(Instant now) {
  if (plan_ && plan_->step_limit && now >= *plan_->step_limit) step_limit_reached(now);
  announce_what_is_due(now);
  if (resume_claims_at_ && now >= *resume_claims_at_ && !plan_) {
    resume_claims_at_.reset();
    outputs_.push_back(ResumeClaims{});
  }
}

void Coordinator::announce_what_is_due(Instant now) {
  const bool round = !announcements_due_.empty() && now >= announcements_due_.front();
  const bool refresh = refresh_due_ && now >= *refresh_due_;
  if (!round && !refresh) return;
  const bool slept = now - (round ? announcements_due_.front() : *refresh_due_) > kStaleRound;
  std::erase_if(announcements_due_, [now](Instant due) { return due <= now; });
  if (refresh) refresh_due_ = now + settings_.announcement_refresh;
  if (role_ == Role::primary && !slept) outputs_.push_back(AnnounceRound{});
}

std::optional<Instant> Coordinator::next_deadline() const {
  std::optional<Instant> next;
  const auto consider = [&next](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (plan_) consider(plan_->step_limit);
  if (!announcements_due_.empty()) consider(announcements_due_.front());
  consider(refresh_due_);
  if (!plan_) consider(resume_claims_at_);
  return next;
}

std::vector<Output> Coordinator::take_outputs() {
  return std::exchange(outputs_, {});
}

Step Coordinator::current_step() const {
  return steps_of(plan_->timeline.transition)[plan_->index].step;
}

void Coordinator::begin(Instant now, Transition transition, Role role, std::string cause, Instant decided,
                        std::optional<Instant> last_heard) {
  announcements_due_.clear();
  refresh_due_.reset();
  plan_.emplace();
  plan_->id = next_plan_++;
  plan_->timeline.transition = transition;
  plan_->timeline.role = role;
  plan_->timeline.cause = std::move(cause);
  plan_->timeline.decided = decided;
  if (last_heard) plan_->timeline.silence = decided - *last_heard;
  commit_finished_ = false;
  committing_.reset();
  start_step(now);
}

void Coordinator::start_step(Instant now) {
  plan_->step_started = now;
  plan_->step_limit.reset();
  const Step step = current_step();
  switch (step) {
    case Step::commit:
      plan_->step_limit = now + settings_.budgets.commit;
      committing_ = plan_->id;
      break;
    case Step::await_peer:
      // Nobody has to carry this out: it ends with on_active_peer_heard or its limit.
      plan_->step_limit = now + settings_.budgets.await_peer;
      return;
    case Step::lower_shield:
      if (!commit_finished_) {
        plan_->step_limit = now + settings_.budgets.shield;
        return;
      }
      break;
    case Step::activate_rules:
    case Step::add_addresses:
    case Step::add_routes:
    case Step::announce:
    case Step::become_source:
    case Step::remove_addresses:
    case Step::release_claim:
    case Step::standby_rules:
    case Step::remove_routes:
    case Step::become_replica:
      break;
  }
  outputs_.push_back(RunStep{plan_->id, step, epoch_});
}

void Coordinator::finish_step(Instant now, bool ok) {
  const Step step = current_step();
  plan_->timeline.steps.push_back({step, now - plan_->step_started, ok});
  if (step == Step::add_addresses || step == Step::remove_addresses) leftovers_possible_ = false;
  if (traffic_waits_for(step)) plan_->timeline.total = now - plan_->timeline.decided;
  if (step == Step::announce) {
    for (const Duration offset : settings_.announcement_rounds) announcements_due_.push_back(now + offset);
  }
  const std::span<const PlannedStep> steps = steps_of(plan_->timeline.transition);
  ++plan_->index;
  while (!settings_.virtual_routes && plan_->index < steps.size() &&
         is_about_routes(steps[plan_->index].step)) {
    ++plan_->index;
  }
  if (plan_->index < steps.size()) {
    start_step(now);
  } else {
    finish_plan(now);
  }
}

void Coordinator::finish_plan(Instant now) {
  if (plan_->timeline.transition == Transition::take_over) {
    withdrawals_in_a_row_ = 0;
    resume_claims_at_.reset();
    if (settings_.announcement_refresh > Duration::zero())
      refresh_due_ = now + settings_.announcement_refresh;
  }
  outputs_.push_back(RoleReached{std::move(plan_->timeline)});
  plan_.reset();
  if (stopping_ && !std::exchange(ready_to_exit_, true)) outputs_.push_back(ReadyToExit{});
}

void Coordinator::step_limit_reached(Instant now) {
  plan_->step_limit.reset();
  switch (current_step()) {
    case Step::commit:
      outputs_.push_back(Alarm{"the commit is not finished within its budget; going on under the shield"});
      finish_step(now, false);
      return;
    case Step::lower_shield:
      outputs_.push_back(Alarm{"the commit did not finish; lowering the shield"});
      outputs_.push_back(RunStep{plan_->id, Step::lower_shield, epoch_});
      return;
    case Step::await_peer:
      finish_step(now, false);
      return;
    case Step::activate_rules:
    case Step::add_addresses:
    case Step::add_routes:
    case Step::announce:
    case Step::become_source:
    case Step::remove_addresses:
    case Step::release_claim:
    case Step::standby_rules:
    case Step::remove_routes:
    case Step::become_replica:
      return;  // no limit is set for these
  }
}

void Coordinator::withdraw(Instant now, std::string cause) {
  role_ = Role::backup;
  begin(now, Transition::withdraw, Role::backup, std::move(cause), now, std::nullopt);
  // What failed may fail again (an address that an administrator holds), and each try disturbs a healthy
  // peer.
  const Duration pause = settings_.budgets.retry_claim * (1 << std::min(withdrawals_in_a_row_++, 10));
  resume_claims_at_ = now + std::min(pause, settings_.budgets.retry_claim_limit);
}

}  // namespace ftfw::failover
