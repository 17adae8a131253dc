#include "appliance/appliance.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/base/log.hpp"
#include "appliance/control/commands.hpp"
#include "appliance/control/server.hpp"
#include "appliance/failover/translation.hpp"
#include "appliance/flows/kernel_source.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {
namespace {

// A thread that has not come round for so long hangs; systemd's watchdog then ends the process.
constexpr Duration kHangLimit = 5s;
// The first round over the tracked files takes far less.
constexpr Duration kFirstFiles = 200ms;

std::string_view name_of(sync::GroupRole role) {
  switch (role) {
    case sync::GroupRole::unknown:
      return "starting";
    case sync::GroupRole::backup:
      return "backup";
    case sync::GroupRole::primary:
      return "primary";
    case sync::GroupRole::fault:
      return "fault";
  }
  return "?";
}

}  // namespace

Appliance::Appliance(ApplianceParts parts, SharedStatus& status, EventLog& events)
    : caches_(parts.config.replication.standby == config::StandbyMode::cache),
      election_(std::move(parts.election)),
      policy_(std::move(parts.policy)),
      ruleset_(ruleset_of(policy_.now())),
      status_(status),
      events_(events),
      holdings_(std::move(parts.holdings)),
      own_watch_(std::move(parts.own_watch)),
      announcer_(std::move(parts.announcer)),
      signals_(std::move(parts.signals)),
      coordinator_(failover::coordinator_settings(election_, parts.config)),
      put_back_(holdings_, lease_),
      steps_({.election = election_,
              .ruleset = ruleset_,
              .loader = parts.loader,
              .interrupted = [this] { return election_speaks(); },
              .holdings = holdings_,
              .announcer = announcer_,
              .lease = lease_,
              .to_vrrp = vrrp_orders_,
              .to_replication = replication_orders_}),
      rules_keeper_(parts.loader, std::move(parts.rules_watch), parts.config.firewall.repair),
      loader_(parts.loader),
      reload_(reload_parts(), {.capabilities = parts.capabilities}),
      vrrp_(election_, to_vrrp_, from_vrrp_, liveness_),
      lease_thread_(lease_, std::move(parts.lease_addresses), holdings_.addresses(), from_lease_, liveness_),
      files_(parts.config.group.tracked_files, from_files_),
      capture_(std::move(parts.capture), captured_, status_, liveness_),
      replication_(std::move(parts.replication), parts.instance, std::move(parts.peers),
                   std::move(parts.table), std::move(parts.events),
                   {.commands = to_replication_,
                    .captured = captured_,
                    .reports = from_replication_,
                    .reads = cache_reads_,
                    .pieces = cache_pieces_},
                   status_, liveness_),
      control_(std::move(parts.control)) {}

Status Appliance::open() {
  Status opened = vrrp_.open();
  const auto watch = [this, &opened](int fd, void (Appliance::*read)()) {
    if (opened) opened = loop_.watch(fd, EPOLLIN, [this, read](std::uint32_t) { (this->*read)(); });
  };
  watch(signals_.get(), &Appliance::read_signals);
  watch(from_vrrp_.wake_fd(), &Appliance::read_vrrp);
  watch(from_replication_.wake_fd(), &Appliance::read_replication);
  watch(from_lease_.wake_fd(), &Appliance::read_lease);
  watch(from_files_.wake_fd(), &Appliance::read_files);
  watch(own_watch_.fd(), &Appliance::read_own_watch);
  watch(from_control_.wake_fd(), &Appliance::read_orders);
  watch(rules_keeper_.fd(), &Appliance::read_rules_watch);
  watch(reload_.fd(), &Appliance::read_reload);
  return opened;
}

void Appliance::run() {
  if (const Status locked = lock_memory(); !locked) {
    log::warning("memory is not locked, a page fault may delay an advertisement: " + locked.error().text);
  }
  {
    const std::jthread control([this](const std::stop_token& stop) { serve_control(stop); });
    const std::jthread capture([this](const std::stop_token& stop) { capture_.run(stop); });
    const std::jthread replication([this](const std::stop_token& stop) { replication_.run(stop); });
    const std::jthread files([this](const std::stop_token& stop) { files_.run(stop); });
    // Before the first claim, which --role primary makes at once. A file that hangs is not waited for.
    const Instant enough = monotonic_now() + kFirstFiles;
    while (!files_.has_read() && monotonic_now() < enough) loop_.run_once(monotonic_now() + 1ms);
    read_files();
    const std::jthread lease([this](const std::stop_token& stop) { lease_thread_.run(stop); });
    const std::jthread vrrp([this](const std::stop_token& stop) { vrrp_.run(stop); });
    // A step must not wait behind the flows that are being injected.
    if (const Status realtime = use_realtime_scheduling(kFailoverPriority); !realtime) {
      log::warning("the failover thread runs without real-time scheduling: " + realtime.error().text);
    }
    while (!exit_) {
      const auto deadline = coordinator_.next_deadline();
      const auto repair = rules_keeper_.next_deadline();
      Instant wake = next_housekeeping_;
      if (deadline) wake = std::min(wake, *deadline);
      if (repair) wake = std::min(wake, *repair);
      loop_.run_once(wake);
      const Instant now = monotonic_now();
      if (repair && now >= *repair) keep_rules(now);
      liveness_.beat(ThreadName::failover, now);
      coordinator_.on_timer(now);
      carry_out_outputs();
      read_reload();
      vrrp_orders_.flush();
      replication_orders_.flush();
      control_answers_.flush();
      if (now >= next_housekeeping_) keep_house(now);
    }
    ::sd_notify(0, "STOPPING=1");
    // After a hand-over there is nothing left to do; after a second signal there is. Before the threads are
    // awaited: one that hangs must not keep the machine open.
    for (const failover::Step step :
         {failover::Step::remove_addresses, failover::Step::standby_rules, failover::Step::remove_routes}) {
      const auto result = steps_.run({.step = step});
      if (!result->ok) log::warning(result->error);
    }
    if (const Status removed = holdings_.remove_virtual_macs(); !removed) log::warning(removed.error().text);
  }
}

// The control thread, from its start to its end.
void Appliance::serve_control(const std::stop_token& stop) {
  name_this_thread("ftfw-control");
  OrderDesk orders(from_control_, to_control_);
  CacheDesk cache(cache_reads_, cache_pieces_);
  const OpenFlowSource open_flows =
      caches_ ? OpenFlowSource([&cache](FlowKind kind) { return cache.open(kind); }) : open_kernel_flows;
  ControlServer server(control_, control_commands({.status = status_,
                                                   .events = events_,
                                                   .orders = orders,
                                                   .open_flows = open_flows,
                                                   .policy = policy_}));
  if (const Status woken = server.wake_with(cache.wake_fd(), [&cache] { cache.read_pieces(); }); !woken)
    log::warning("flows of the cache are not shown: " + woken.error().text);
  if (const Status woken = server.wake_with(orders.wake_fd(), [&orders] { orders.read_answers(); }); !woken)
    log::warning("orders by ftfwctl are not answered: " + woken.error().text);
  if (const Status woken = server.wake_with(events_.wake_fd(), [this] { events_.clear_wakeups(); }); !woken)
    log::warning("nobody can follow the events: " + woken.error().text);
  server.run(stop);
}

// ---- what the other threads say

void Appliance::read_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    if (signal.ssi_signo == SIGHUP) {
      reload_.request({});
      continue;
    }
    log::notice(fmt::format("asked to stop{}",
                            coordinator_.role() == failover::Role::primary ? ", handing over" : ""));
    coordinator_.request_stop(monotonic_now());
    carry_out_outputs();
  }
}

void Appliance::read_vrrp() {
  from_vrrp_.clear_wakeups();
  drain_vrrp();
  carry_out_outputs();
}

void Appliance::read_replication() {
  from_replication_.clear_wakeups();
  while (const auto report = from_replication_.take()) {
    std::visit([this](const auto& what) { on_report(what); }, *report);
  }
  carry_out_outputs();
}

void Appliance::read_lease() {
  from_lease_.clear_wakeups();
  while (const auto report = from_lease_.take()) {
    std::visit([this](const auto& what) { on_report(what); }, *report);
  }
  carry_out_outputs();
}

void Appliance::read_files() {
  from_files_.clear_wakeups();
  while (const auto report = from_files_.take()) {
    std::visit([this](const auto& what) { on_report(what); }, *report);
  }
}

void Appliance::read_own_watch() {
  auto removed = own_watch_.read();
  if (!removed) return alarm("address events: " + removed.error().text);
  if (removed->empty()) return;
  put_back_.note(std::move(*removed));
  put_back();
}

void Appliance::read_orders() {
  from_control_.clear_wakeups();
  while (const auto order = from_control_.take()) {
    auto answer = std::visit([&](const auto& what) { return on_order(order->id, what); }, order->what);
    if (answer) control_answers_.post(std::move(*answer));
  }
  carry_out_outputs();
}

std::optional<ControlAnswer> Appliance::on_order(std::uint64_t id, const AnnounceOrder&) {
  if (coordinator_.role() != failover::Role::primary) {
    return ControlAnswer{.id = id,
                         .text = fmt::format("this node is {}: only the primary announces the addresses",
                                             failover::name_of(coordinator_.role()))};
  }
  log::notice("asked to announce the virtual addresses");
  coordinator_.on_announce_again(monotonic_now());
  return ControlAnswer{.id = id, .done = true, .text = "announcing the virtual addresses\n"};
}

// A report waits: of a takeover, perhaps, which must not wait behind a load.
bool Appliance::election_speaks() const {
  pollfd waiting{.fd = from_vrrp_.wake_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

void Appliance::read_rules_watch() {
  keep_rules(monotonic_now());
}

// Also while a plan is under way: its steps are whole ones, and between them the firewall is what the last
// one made it.
void Appliance::keep_rules(Instant now) {
  RulesKeeper::Outcome outcome;
  rules_keeper_.look(*ruleset_, outcome, now);
  rules_keeper_.repair(*ruleset_, steps_.stance(), [this] { return election_speaks(); }, outcome, now);
  tell(outcome);
}

void Appliance::tell(const RulesKeeper::Outcome& outcome) {
  for (const std::string& text : outcome.alarms) alarm(text);
  if (outcome.foreign_changes + outcome.repairs == 0) return;
  status_.with([&](StatusBoard& board) {
    board.foreign_changes += outcome.foreign_changes;
    board.repairs += outcome.repairs;
  });
}

void Appliance::put_back() {
  drain_vrrp();  // a leg that just went down takes addresses along: that is a fault
  if (!coordinator_.plan_under_way()) {
    const PutBack::Outcome outcome =
        put_back_.run(coordinator_.role() == failover::Role::primary, monotonic_now());
    for (const std::string& text : outcome.alarms) alarm(text);
    if (outcome.count > 0) status_.with([&](StatusBoard& board) { board.put_back += outcome.count; });
    if (outcome.lease) std::visit([this](const auto& what) { on_report(what); }, *outcome.lease);
    if (outcome.announce) coordinator_.on_announce_again(monotonic_now());
  }
  carry_out_outputs();
}

void Appliance::on_report(const vrrp::StateChanged& change) {
  const std::string cause = vrrp::to_string(change.cause, election_);
  const failover::Role role = failover::role_of(change.to);
  if (change.to != vrrp::State::initialize) {
    coordinator_.on_role_change(
        monotonic_now(), {.to = role, .cause = cause, .at = change.at, .last_heard = change.last_heard});
  }
  log::write(log::Level::notice, fmt::format("{}: {}", failover::name_of(role), cause),
             {{"role", std::string(failover::name_of(role))}, {"cause", cause}});
}

void Appliance::on_report(const vrrp::AnnounceAgain&) {
  coordinator_.on_announce_again(monotonic_now());
}

void Appliance::on_report(const vrrp::ActivePeerHeard&) {
  coordinator_.on_active_peer_heard(monotonic_now());
}

void Appliance::on_report(const vrrp::Notice& notice) {
  alarm(notice.text);
}

void Appliance::on_report(const VrrpStatus& status) {
  status_.with([&status](StatusBoard& board) { board.vrrp = status; });
  effective_priority_ = status.priority;
  legs_up_ =
      std::ranges::all_of(status.routers, [](const RouterStatus& router) { return router.link_usable; });
}

void Appliance::on_report(const Trouble& trouble) {
  alarm(trouble.text);
}

void Appliance::on_report(const Remark& remark) {
  log::info(remark.text);
}

void Appliance::on_report(const sync::CommitFinished& finished) {
  coordinator_.on_step_finished(
      monotonic_now(),
      {.plan = finished.plan,
       .step = failover::Step::commit,
       .ok = finished.complete,
       .error = finished.complete ? "" : "not everything that was received is in the kernel"});
}

void Appliance::on_report(const sync::PeerChanged& change) {
  const sync::PeerState& peer = change.peer;
  coordinator_.on_peer(monotonic_now(), change.index, failover::peer_view_of(peer));
  // A peer that can take over shortens the lease at once, not with the next renewal.
  const auto lapsed = lease_.with([this](Lease& lease) -> std::optional<LeaseReport> {
    const auto lifetime = coordinator_.any_peer_alive() ? failover::kLeaseWithPeer : failover::kLeaseAlone;
    if (std::exchange(lease.lifetime, lifetime) == lifetime) return std::nullopt;
    return renew_lease(lease, holdings_.kernel_addresses(), holdings_.addresses(), monotonic_now());
  });
  if (lapsed) std::visit([this](const auto& what) { on_report(what); }, *lapsed);
  const auto [name, was_alive] = status_.with([&](StatusBoard& board) {
    ReplicationPeerStatus& shown = board.replication.peers[change.index];
    shown.role = name_of(peer.group.role);
    shown.in_sync = peer.in_sync;
    shown.epoch = peer.group.primary_epoch;
    return std::pair(shown.name, std::exchange(shown.alive, peer.alive));
  });
  if (peer.alive && !was_alive) log::notice(name + " is heard on the dedicated link");
  if (!peer.alive && was_alive) alarm(name + " is no longer heard on the dedicated link");
}

void Appliance::on_report(const sync::InSyncChanged& change) {
  log::notice(change.in_sync ? "in sync" + (change.reason.empty() ? "" : ": " + change.reason)
                             : "not in sync: " + change.reason);
  status_.with([&change](StatusBoard& board) {
    board.replication.in_sync = change.in_sync;
    board.replication.in_sync_reason = change.reason;
  });
  vrrp_orders_.post(SetInSync{change.in_sync});
}

void Appliance::on_report(const sync::Notice& notice) {
  alarm(notice.text);
}

void Appliance::on_report(const LeaseLapsed& lapsed) {
  alarm(fmt::format(
      "the lease of the virtual addresses was not renewed for {:.1f} s and is not renewed any more",
      in_milliseconds(lapsed.age) / 1000));
  coordinator_.on_lease_lapsed(monotonic_now());
}

void Appliance::on_report(const LeaseFailed& failed) {
  alarm("the lease of the virtual addresses was not renewed: " + failed.text);
}

void Appliance::on_report(const FilesRead& read) {
  const bool moved = read.adjustment != std::exchange(file_adjustment_, read.adjustment);
  if (moved) log::notice(fmt::format("priority {:+} by the tracked files", read.adjustment));
  status_.with([&read](StatusBoard& board) { board.tracked_files = read.files; });
  if (moved) vrrp_orders_.post(AdjustPriority{read.adjustment});
}

// ---- what the coordinator wants

void Appliance::carry_out_outputs() {
  for (std::vector<failover::Output> outputs = coordinator_.take_outputs(); !outputs.empty();
       outputs = coordinator_.take_outputs()) {
    for (const failover::Output& output : outputs) carry_out(output);
  }
  tell_group_state();
}

void Appliance::carry_out(const failover::Output& output) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, failover::RunStep>) {
          run_step(what);
        } else if constexpr (std::is_same_v<What, failover::AnnounceRound>) {
          // Not after the election has stepped down: it would draw the neighbours back from the new primary.
          drain_vrrp();
          if (coordinator_.role() != failover::Role::primary) return;
          if (const Status announced = steps_.announce(); !announced) alarm(announced.error().text);
        } else if constexpr (std::is_same_v<What, failover::RaiseEpoch>) {
          replication_orders_.post(BecomeSource{what.epoch});
        } else if constexpr (std::is_same_v<What, failover::ResumeClaims>) {
          vrrp_orders_.post(StartClaims{});
        } else if constexpr (std::is_same_v<What, failover::RoleReached>) {
          reached(what.timeline);
        } else if constexpr (std::is_same_v<What, failover::Alarm>) {
          alarm(what.text);
        } else {
          static_assert(std::is_same_v<What, failover::ReadyToExit>);
          exit_ = true;
        }
      },
      output);
}

void Appliance::drain_vrrp() {
  while (const auto report = from_vrrp_.take()) {
    std::visit([this](const auto& what) { on_report(what); }, *report);
  }
}

void Appliance::run_step(const failover::RunStep& step) {
  drain_vrrp();  // the election may have changed its mind while the last step ran: a newer plan goes first
  if (!coordinator_.is_current(step)) return;
  // What others did to the tables a moment ago must not be woken.
  if (step.step == failover::Step::activate_rules) {
    RulesKeeper::Outcome outcome;
    rules_keeper_.look(*ruleset_, outcome, monotonic_now());
    tell(outcome);
  }
  if (const auto result = steps_.run(step)) coordinator_.on_step_finished(monotonic_now(), *result);
}

void Appliance::reached(const failover::Timeline& timeline) {
  const std::string text = timeline.to_string();
  log::write(log::Level::notice, text,
             {{"role", std::string(failover::name_of(timeline.role))}, {"cause", timeline.cause}});
  const bool held = lease_.with([](const Lease& lease) { return lease.held; });
  status_.with([&](StatusBoard& board) {
    const std::string role(failover::name_of(timeline.role));
    if (board.role != role) board.since = std::chrono::system_clock::now();
    board.role = role;
    board.cause = timeline.cause;
    board.epoch = coordinator_.epoch();
    board.addresses_held = held;
    board.rules = steps_.rules();
    board.last_transition = text;
  });
  ::sd_notifyf(0, "%sSTATUS=%s: %s", std::exchange(ready_told_, true) ? "" : "READY=1\n",
               std::string(failover::name_of(timeline.role)).c_str(), timeline.cause.c_str());
}

void Appliance::alarm(std::string text) {
  log::warning(text);
  status_.with([&text](StatusBoard& board) { board.alarm(std::move(text)); });
}

// Replication carries it to the peer with every message; only changes are posted.
void Appliance::tell_group_state() {
  const sync::GroupState state{.role = failover::group_role_of(coordinator_.role()),
                               .priority = effective_priority_,
                               .legs_up = legs_up_,
                               .primary_epoch = coordinator_.epoch()};
  if (state == told_state_) return;
  told_state_ = state;
  replication_orders_.post(state);
}

void Appliance::keep_house(Instant now) {
  next_housekeeping_ = now + kBeatInterval;
  const Lease lease = lease_.copy();
  status_.with([&](StatusBoard& board) {
    board.addresses_held = lease.held;
    board.lease = lease.renewed_for;
    board.rules = steps_.rules();
    board.epoch = coordinator_.epoch();
  });
  if (!coordinator_.plan_under_way()) mend(now);
  put_back();
  keep_rules(now);
  watch_threads(now);
  watch_files(now);
}

// What cannot be mended is tried again every second and told once a minute.
void Appliance::mend(Instant now) {
  const Status mended = steps_.mend(coordinator_.role());
  if (mended || (told_unmended_ && now - *told_unmended_ < kTellAgainAfter)) return;
  told_unmended_ = now;
  alarm(mended.error().text);
}

void Appliance::watch_files(Instant now) {
  const auto since = files_.reading_since();
  const bool hang = since && now - *since > kHangLimit;
  if (hang && !std::exchange(told_files_hang_, true))
    alarm("a tracked file does not answer; the values last read stay");
  if (!hang) told_files_hang_ = false;
}

// A thread that hangs is told once. The process is given up to systemd's watchdog only for what nobody else
// does better: a lone node whose replication hangs goes on forwarding.
void Appliance::watch_threads(Instant now) {
  const auto hanging = liveness_.hanging(now, kHangLimit);
  if (hanging && hanging != told_hanging_) alarm(fmt::format("the {} thread hangs", name_of(*hanging)));
  told_hanging_ = hanging;
  const bool replicates = hanging == ThreadName::replication || hanging == ThreadName::capture;
  const bool peer_alive =
      status_.with([](const StatusBoard& board) { return board.replication.any_peer_alive(); });
  if (!hanging || (replicates && !peer_alive)) ::sd_notify(0, "WATCHDOG=1");
}

}  // namespace ftfw
