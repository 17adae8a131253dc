// The wiring: makes the mailboxes and the threads, and runs the failover thread (the caller's, main) until it
// is asked to stop. Read run() and the constructor from top to bottom as the picture in README.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/event_loop.hpp"
#include "appliance/capture_thread.hpp"
#include "appliance/control/orders.hpp"
#include "appliance/control/socket.hpp"
#include "appliance/events.hpp"
#include "appliance/failover/coordinator.hpp"
#include "appliance/holdings.hpp"
#include "appliance/lease_thread.hpp"
#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "appliance/policy_book.hpp"
#include "appliance/put_back.hpp"
#include "appliance/reload.hpp"
#include "appliance/replication_thread.hpp"
#include "appliance/rules_keeper.hpp"
#include "appliance/status.hpp"
#include "appliance/step_runner.hpp"
#include "appliance/tracked_files.hpp"
#include "appliance/vrrp_thread.hpp"
#include "config/model.hpp"
#include "vrrp/linux/own_watch.hpp"

namespace ftfw {

// Everything that can fail has been opened by daemon.cpp.
struct ApplianceParts {
  const config::Config& config;
  vrrp::Settings election;
  std::shared_ptr<const PolicyInForce> policy;
  firewall::Capabilities capabilities;
  firewall::Loader& loader;
  firewall::RulesetWatch rules_watch;
  Holdings holdings;
  vrrp::OwnWatch own_watch;
  vrrp::VirtualAddresses lease_addresses;
  vrrp::Announcer announcer;
  sync::Settings replication;
  std::uint64_t instance;
  std::vector<ReplicationPeerParts> peers;  // in the order of the configuration
  sync::ConntrackTable table;
  sync::Capture capture;
  sync::CaptureSwitch events;  // of it
  ControlSocket control;
  UniqueFd signals;  // signalfd of SIGTERM, SIGINT, SIGHUP
};

class Appliance {
 public:
  Appliance(ApplianceParts parts, SharedStatus& status, EventLog& events);

  // Opens what the vrrp thread needs; call before run().
  Status open();
  // Until SIGTERM or SIGINT has been carried out.
  void run();

  // The present configuration: a reload may have brought another one than it was made with.
  config::OnExit on_exit() const { return policy_.now()->config.on_exit; }

 private:
  void read_signals();
  void read_vrrp();
  void read_replication();
  void read_lease();
  void read_files();
  void read_own_watch();
  void read_orders();
  bool election_speaks() const;
  // Rules are being loaded, or must be loaded again: this node could not be a primary at once.
  bool loading() const;
  void read_rules_watch();
  void keep_rules(Instant now);
  void tell(const RulesKeeper::Outcome& outcome);
  void put_back();
  void on_report(const vrrp::StateChanged& change);
  void on_report(const vrrp::AnnounceAgain& again);
  void on_report(const vrrp::ActivePeerHeard& heard);
  void on_report(const vrrp::Notice& notice);
  void on_report(const VrrpStatus& status);
  void on_report(const Trouble& trouble);
  void on_report(const Remark& remark);
  void on_report(const sync::CommitFinished& finished);
  void on_report(const sync::PeerChanged& change);
  void on_report(const sync::InSyncChanged& change);
  void on_report(const sync::Notice& notice);
  void on_report(const LeaseLapsed& lapsed);
  void on_report(const LeaseFailed& failed);
  void on_report(const FilesRead& read);
  // An order of an operator: what to answer. One that takes longer answers by control_answers_ later.
  std::optional<ControlAnswer> on_order(std::uint64_t id, const AnnounceOrder& order);
  std::optional<ControlAnswer> on_order(std::uint64_t id, const ReloadOrder& order);
  Reload::Parts reload_parts();
  void read_reload();

  void serve_control(const std::stop_token& stop);
  void drain_vrrp();
  void carry_out_outputs();
  void carry_out(const failover::Output& output);
  void run_step(const failover::RunStep& step);
  void reached(const failover::Timeline& timeline);
  void alarm(std::string text);
  void tell_group_state();
  void keep_house(Instant now);
  void mend(Instant now);
  void watch_threads(Instant now);
  void watch_files(Instant now);

  bool caches_;  // as standby
  vrrp::Settings election_;
  PolicyBook policy_;
  std::shared_ptr<const firewall::Ruleset> ruleset_;  // of policy_
  SharedStatus& status_;
  EventLog& events_;
  Liveness liveness_;

  VrrpCommands to_vrrp_{64};                   // failover    -> vrrp
  VrrpReports from_vrrp_{1024};                // vrrp        -> failover
  ReplicationCommands to_replication_{64};     // failover    -> replication
  ReplicationReports from_replication_{1024};  // replication -> failover
  CapturedBatches captured_{8192};             // capture     -> replication
  CacheReads cache_reads_{64};                 // control     -> replication
  CachePieces cache_pieces_{64};               // replication -> control
  LeaseReports from_lease_{64};                // lease       -> failover
  TrackedFileReports from_files_{64};          // files       -> failover
  ControlOrders from_control_{16};             // control     -> failover
  ControlAnswers to_control_{16};              // failover    -> control
  LeaseBook lease_;                            // failover, lease
  Sender<VrrpCommand> vrrp_orders_{to_vrrp_};
  Sender<ReplicationCommand> replication_orders_{to_replication_};
  Sender<ControlAnswer> control_answers_{to_control_};

  Holdings holdings_;
  vrrp::OwnWatch own_watch_;
  vrrp::Announcer announcer_;
  UniqueFd signals_;
  EventLoop loop_;
  failover::Coordinator coordinator_;
  PutBack put_back_;
  StepRunner steps_;
  RulesKeeper rules_keeper_;
  firewall::Loader& loader_;
  Reload reload_;
  VrrpThread vrrp_;
  LeaseThread lease_thread_;
  TrackedFiles files_;
  CaptureThread capture_;
  ReplicationThread replication_;
  ControlSocket control_;

  sync::GroupState told_state_;
  bool legs_up_ = false;
  std::uint8_t effective_priority_ = 0;
  int file_adjustment_ = 0;
  bool told_files_hang_ = false;
  std::optional<Instant> told_unmended_;
  std::optional<ThreadName> told_hanging_;
  bool ready_told_ = false;
  bool exit_ = false;
  Instant next_housekeeping_{};
};

}  // namespace ftfw
