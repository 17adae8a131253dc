// The replication thread: the engine with its channel, the kernel's table (dump and injection) and the
// captured events. The one injector of this machine: the kernel serialises injections anyway.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "appliance/base/event_loop.hpp"
#include "appliance/flows/cache_source.hpp"
#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "appliance/status.hpp"
#include "sync/engine.hpp"
#include "sync/flow_tables.hpp"
#include "sync/linux/capture.hpp"
#include "sync/linux/conntrack_table.hpp"
#include "sync/linux/link_set.hpp"

namespace ftfw {

class ReplicationThread {
 public:
  struct Mailboxes {
    ReplicationCommands& commands;
    CapturedBatches& captured;
    ReplicationReports& reports;
    CacheReads& reads;
    CachePieces& pieces;
  };

  // instance: random for every start of the process.
  ReplicationThread(sync::Settings settings, std::uint64_t instance, std::unique_ptr<sync::LinkSet> links,
                    sync::ConntrackTable table, sync::CaptureSwitch events, Mailboxes mailboxes,
                    SharedStatus& status, Liveness& liveness);

  void run(const std::stop_token& stop);

 private:
  void obey_commands();
  void take_captured();
  void show_cache() { answer_reads(tables_, mailboxes_.reads, mailboxes_.pieces); }
  void drain_channel();
  void carry_out_outputs();
  void carry_out(sync::Output& output);
  void begin_dump(const sync::StartDump& start);
  void step_dump();
  void step_tables();
  void listen_as_source();
  void end_dump(bool complete);
  void apply(const std::vector<sync::Operation>& operations);
  void trouble(std::string text);
  void tell_links(Instant now, const std::vector<sync::LinkStatus>& links);
  void tell_progress(const std::optional<ProgressStatus>& progress);
  void publish(Instant now);
  std::optional<Instant> next_deadline() const;

  // What was said about a link that is not sound.
  struct LinkTrouble {
    std::optional<Instant> since;
    std::optional<sync::LinkCondition> told;
  };

  sync::Engine engine_;
  std::unique_ptr<sync::LinkSet> links_;
  sync::ConntrackTable table_;
  sync::FlowTables tables_;
  sync::CaptureSwitch events_;
  bool source_ = false;
  Mailboxes mailboxes_;
  Sender<ReplicationReport> reports_;
  SharedStatus& status_;
  Liveness& liveness_;
  EventLoop loop_;
  std::optional<std::uint64_t> dump_;  // the one under way
  bool more_captured_ = false;         // the mailbox may hold some that a round had no time for
  bool peer_alive_ = false;
  std::vector<LinkTrouble> link_troubles_;
  std::string last_trouble_;
  Instant last_trouble_at_{};
  std::optional<sync::HandshakeFailure> told_failure_;  // once, until an association is up
  Instant next_publication_{};
};

}  // namespace ftfw
