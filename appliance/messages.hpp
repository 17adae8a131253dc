// What crosses between threads, and in which mailbox. Each alias is one mailbox: one writer, one reader.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/mailbox.hpp"
#include "appliance/failover/coordinator.hpp"
#include "appliance/status.hpp"
#include "sync/engine.hpp"
#include "sync/observation.hpp"
#include "vrrp/engine.hpp"

namespace ftfw {

// ---- failover -> vrrp

struct SetInSync {
  bool in_sync = true;
};
struct ReleaseClaim {};  // priority 0 on every leg, no further claim
struct StartClaims {};   // listen and elect again
struct AdjustPriority {
  int adjustment = 0;  // by tracked files
};
using VrrpCommand = std::variant<SetInSync, ReleaseClaim, StartClaims, AdjustPriority>;
using VrrpCommands = Mailbox<VrrpCommand>;

// ---- vrrp -> failover

struct Trouble {
  std::string text;
};  // something that a person must know; the thread goes on
using VrrpReport = std::variant<vrrp::StateChanged, vrrp::AnnounceAgain, vrrp::ActivePeerHeard, vrrp::Notice,
                                VrrpStatus, Trouble>;
using VrrpReports = Mailbox<VrrpReport>;

// ---- failover -> replication

struct BecomeSource {
  std::uint64_t epoch = 0;
};
struct BecomeReplica {};
struct Commit {
  std::uint64_t plan = 0;
};
using ReplicationCommand = std::variant<BecomeSource, BecomeReplica, Commit, sync::GroupState>;
using ReplicationCommands = Mailbox<ReplicationCommand>;

// ---- replication -> failover

struct Remark {
  std::string text;
};  // for the log alone
using ReplicationReport =
    std::variant<sync::CommitFinished, sync::PeerChanged, sync::InSyncChanged, sync::Notice, Trouble, Remark>;
using ReplicationReports = Mailbox<ReplicationReport>;

// ---- capture -> replication

struct CapturedBatch {
  std::vector<sync::Event> events;
  bool overrun = false;  // the kernel, or this mailbox before, dropped events ahead of these
};
using CapturedBatches = Mailbox<CapturedBatch>;

// ---- files -> failover

// A value, or whether one can be read, has changed.
struct FilesRead {
  int adjustment = 0;  // of the priority, by all of them
  std::vector<TrackedFileStatus> files;
};
using TrackedFileReport = std::variant<FilesRead, Trouble>;
using TrackedFileReports = Mailbox<TrackedFileReport>;

// ---- lease -> failover

struct LeaseLapsed {
  Duration age{};
};
struct LeaseFailed {
  std::string text;
};
using LeaseReport = std::variant<LeaseLapsed, LeaseFailed>;
using LeaseReports = Mailbox<LeaseReport>;

}  // namespace ftfw
