// Whoever carries conntracks from fw-1 to fw-2 in the lab, ours or conntrackd 1.4.7, driven and measured
// alike. fw-1 is the source, fw-2 the standby.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::bench {

enum class Replication {
  ours,               // standby = "kernel"
  ours_cache,         // standby = "cache"
  conntrackd_direct,  // DisableExternalCache On: into the standby's kernel, as ours
  conntrackd_cache,   // its default: external cache, committed by a script at a takeover
};
std::string name_of(Replication replication);

class Replicator {
 public:
  static std::unique_ptr<Replicator> create(Replication replication, lab::Lab& lab);
  virtual ~Replicator() = default;
  Replicator(const Replicator&) = delete;
  Replicator& operator=(const Replicator&) = delete;

  // fw-1 is the source; then fw-2 its standby that has what fw-1 had.
  virtual void start_source() = 0;
  virtual void start_standby() = 0;
  virtual void stop_standby() = 0;
  // That the standby could go on with, wherever it keeps them.
  virtual std::size_t standby_flows() = 0;
  virtual pid_t pid(lab::Node node) const = 0;
  // Takes the flows that the standby holds into its kernel; the time that this took as it says itself.
  // Only of those that keep them elsewhere.
  virtual Duration commit(std::size_t flows) = 0;
  // What it says of itself, where something is missing.
  virtual std::string account(lab::Node node) = 0;

 protected:
  explicit Replicator(lab::Lab& lab) : lab_(lab) {}
  lab::Lab& lab_;
};

// Of all threads of a process: what the scheduler counted.
Duration processor_time(pid_t process);
// Memory of its own, no file's and no kernel's.
std::size_t anonymous_bytes(pid_t process);
// net.netfilter.nf_conntrack_count there.
std::size_t kernel_flows(const lab::NetNamespace& network);
// What an interface of the lab has sent and received.
std::size_t bytes_on(lab::Lab& lab, lab::Node node, const std::string& interface);

}  // namespace ftfw::bench
