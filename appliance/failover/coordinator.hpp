// Walks the failover plans. It owns the role of the appliance, the epoch and the plan under way, decides
// which step comes next and what a late, failed or overtaken step means. Pure: (now, input) -> outputs; the
// failover thread (main) carries the outputs out, a simulation does it with a fake kernel.
//
// Invariants: at most one plan is under way; a newer plan cancels what is left of the older one, whose late
// answers are counted and dropped; the epoch grows with every take-over and is greater than any that another
// node has shown.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/failover/plan.hpp"
#include "appliance/failover/timeline.hpp"

namespace ftfw::failover {

// ---- inputs

struct RoleChange {
  Role to = Role::backup;
  std::string cause;
  Instant at{};                       // when the election decided
  std::optional<Instant> last_heard;  // last advertisement of the former Active
};

// Another node, as last heard over the dedicated link.
struct PeerView {
  bool alive = false;
  bool primary = false;
  std::uint64_t epoch = 0;    // of its own last take-over
  std::uint64_t obeyed = 0;   // of the source that it obeys or has obeyed
  bool hears_source = false;  // that source lives, as that node hears it
};

struct StepResult {
  std::uint64_t plan = 0;
  Step step = Step::commit;
  bool ok = true;
  std::string error;
};

// ---- outputs, to be carried out in order

struct RunStep {
  std::uint64_t plan = 0;
  Step step = Step::commit;
  std::uint64_t epoch = 0;
};
// Announce every virtual address once more, outside a plan's own announce step.
struct AnnounceRound {};
// Replicate under a new epoch: the peer knows one that is not older than ours although it is not primary.
struct RaiseEpoch {
  std::uint64_t epoch = 0;
};
// Let the election claim again after a withdrawal.
struct ResumeClaims {};
// A plan came to its end.
struct RoleReached {
  Timeline timeline;
};
struct Alarm {
  std::string text;
};
// The hand-over that a stop asked for is finished (or there was nothing to hand over): exit now.
struct ReadyToExit {};

using Output =
    std::variant<RunStep, AnnounceRound, RaiseEpoch, ResumeClaims, RoleReached, Alarm, ReadyToExit>;

// The plan under way.
struct RunningPlan {
  std::uint64_t id = 0;
  std::size_t index = 0;  // the step under way
  Instant step_started{};
  std::optional<Instant> step_limit;  // for the steps that wait
  Timeline timeline;
};

class Coordinator {
 public:
  struct Settings {
    Budgets budgets;
    std::size_t peers = 1;  // other nodes
    // Offsets after the first announcement at which every address is announced again.
    std::vector<Duration> announcement_rounds;
    Duration announcement_refresh{};  // and then this often while primary; 0: never
    bool virtual_routes = false;      // there are some: their steps are taken
  };

  explicit Coordinator(Settings settings);

  void on_role_change(Instant now, RoleChange change);
  void on_step_finished(Instant now, const StepResult& result);
  // peer: which of the other nodes, 0 to Settings::peers - 1.
  void on_peer(Instant now, std::size_t peer, const PeerView& view);
  void on_active_peer_heard(Instant now);
  // The lease thread refused to renew: the addresses are gone or about to be.
  void on_lease_lapsed(Instant now);
  // The election met a losing Active: neighbours may have learned its MAC.
  void on_announce_again(Instant now);
  // SIGTERM. Answered by ReadyToExit.
  void request_stop(Instant now);
  void on_timer(Instant now);

  std::optional<Instant> next_deadline() const;
  std::vector<Output> take_outputs();

  Role role() const { return role_; }
  std::uint64_t epoch() const { return epoch_; }
  bool any_peer_alive() const { return std::ranges::any_of(peers_, &PeerView::alive); }
  // False once a newer plan has overtaken it: then it must not be carried out any more.
  bool is_current(const RunStep& step) const { return plan_ && plan_->id == step.plan; }
  bool plan_under_way() const { return plan_.has_value(); }
  std::uint64_t late_answers() const { return late_answers_; }

 private:
  void begin(Instant now, Transition transition, Role role, std::string cause, Instant decided,
             std::optional<Instant> last_heard);
  void start_step(Instant now);
  void finish_step(Instant now, bool ok);
  void finish_plan(Instant now);
  void announce_what_is_due(Instant now);
  void step_limit_reached(Instant now);
  void withdraw(Instant now, std::string cause);
  Step current_step() const;

  Settings settings_;
  Role role_ = Role::starting;
  std::vector<PeerView> peers_;
  std::uint64_t epoch_ = 0;
  std::uint64_t next_plan_ = 1;
  std::optional<RunningPlan> plan_;
  bool commit_finished_ = false;
  std::optional<std::uint64_t> committing_;  // the plan whose commit has not answered yet
  bool stopping_ = false;
  bool ready_to_exit_ = false;
  std::optional<Instant> resume_claims_at_;
  int withdrawals_in_a_row_ = 0;
  bool leftovers_possible_ = true;          // addresses of a former run may stand
  std::vector<Instant> announcements_due_;  // ascending
  std::optional<Instant> refresh_due_;
  std::uint64_t late_answers_ = 0;
  std::vector<Output> outputs_;
};

}  // namespace ftfw::failover
