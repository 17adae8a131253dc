// Where the flows come from that `ftfwctl flows` shows: what this node holds, read in bounded pieces. The
// kernel's table comes as ctnetlink messages; a table in memory may come as values. Thread: control.
#pragma once

#include "appliance/base/result.hpp"
#include "appliance/control/command.hpp"
#include "sync/conntrack_entry.hpp"
#include "sync/expectation.hpp"

struct nlmsghdr;

namespace ftfw {

// Takes what a source has; each flow by one of its ways.
class FlowSink {
 public:
  FlowSink() = default;
  FlowSink(const FlowSink&) = delete;
  FlowSink& operator=(const FlowSink&) = delete;
  virtual ~FlowSink() = default;
  // Of ctnetlink, an entry or an expectation.
  virtual void take(const nlmsghdr& message) = 0;
  virtual void take(const sync::ConntrackEntry& entry) = 0;
  virtual void take(const sync::Expectation& expectation) = 0;
};

enum class FlowKind : std::uint8_t { entries, expectations };

class FlowSource {
 public:
  FlowSource() = default;
  FlowSource(const FlowSource&) = delete;
  FlowSource& operator=(const FlowSource&) = delete;
  virtual ~FlowSource() = default;
  // The next few hundred at most. A source that asks another thread says `waits`, and the server is woken by
  // that thread's answer (ControlServer::wake_with).
  virtual Result<AnswerStream::Progress> next(FlowSink& sink) = 0;
};

// A source for one answer.
using OpenFlowSource = std::function<Result<std::unique_ptr<FlowSource>>(FlowKind kind)>;

}  // namespace ftfw
