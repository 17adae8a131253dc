// What status says about the conversation with one other node: how far it is behind, what travelled, what was
// rejected and why, the last reconcile and the one under way. Values, and their text and JSON; what is in
// them was true when the replication thread published it, at most a second ago.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "appliance/base/time.hpp"

namespace ftfw {

using WallTime = std::chrono::system_clock::time_point;
using Figures = std::vector<std::pair<std::string, std::uint64_t>>;

struct LagStatus {
  std::uint64_t entries = 0;       // source: to be sent or not acknowledged
  std::optional<Duration> oldest;  // source: age of the oldest event among them
  bool reconcile_due = false;      // source: what is missing is not known before it
  std::uint64_t arriving = 0;      // replica: received, and not in the kernel yet
  std::uint64_t young = 0;         // source: below the minimum age, on purpose
};

struct ReconcileStatus {
  std::string why;
  WallTime finished;
  Duration took{};
  std::uint64_t entries = 0;  // of this node's table
  std::uint64_t ranges = 0;   // 0: the whole table was sent without a compare
  std::uint64_t differing = 0;
  std::uint64_t repaired = 0;  // entries sent
};

// A pass over the table.
struct ProgressStatus {
  std::string what;  // "comparing", "repairing", "sending all"
  Duration elapsed{};
  std::uint64_t done = 0;
  std::uint64_t expected = 0;  // 0: not known

  std::uint64_t per_second() const;
  std::optional<unsigned> percent() const;  // at most 100
};

struct ConversationStatus {
  LagStatus lag;
  Figures traffic;   // entries sent, acknowledged, received; frames sent, received, resent
  Figures rejected;  // by reason, the names are stable
  std::optional<ReconcileStatus> last_reconcile;
  std::optional<ProgressStatus> progress;
};

// "sending all: 52 % of about 1000000 entries, 150000/s"; with a bar in front if it is wanted.
std::string to_text(const ProgressStatus& progress, bool bar);
// Who this is about.
struct ConversationView {
  bool source = false;  // this node is
  bool alive = false;   // the other is heard
  bool bar = false;
};
// Lines for people, without their ends.
std::vector<std::string> to_lines(const ConversationStatus& conversation, const ConversationView& view,
                                  WallTime now);
// Added to the peer's object: lag, traffic, rejected, last_reconcile, progress.
void add_to(nlohmann::ordered_json& peer, const ConversationStatus& conversation);

}  // namespace ftfw
