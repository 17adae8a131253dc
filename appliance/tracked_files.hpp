// The files thread: reads the integers of [[sync_group.track_file]] twice a second and tells the failover
// thread what they add to the priority. A thread of its own, because a file can hang: on a dead network file
// system or a full disk nothing waits but this. Invariant: a file that cannot be read keeps its last value,
// and is told once; one that does not exist counts as 0.
#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/result.hpp"
#include "appliance/messages.hpp"
#include "config/model.hpp"

namespace ftfw {

inline constexpr Duration kReadFilesEvery = 500ms;
// What a value may be at most, in either direction: no weight makes more of it than the whole range of
// priorities needs.
inline constexpr int kMaxTrackedValue = 255;

// "-20\n" is -20; blanks around it are allowed, an empty text is 0. Nothing for anything else or beyond
// kMaxTrackedValue.
std::optional<int> parse_tracked_value(std::string_view text);

// 0 for a file that does not exist.
Result<int> read_tracked_file(const std::string& path);

class TrackedFiles {
 public:
  TrackedFiles(std::vector<config::TrackedFile> files, TrackedFileReports& reports);

  void run(const std::stop_token& stop);
  // One round; run() repeats it.
  void read();

  // Any thread: since when a round has been under way; nothing between two.
  std::optional<Instant> reading_since() const;
  // Any thread: after the first round.
  bool has_read() const { return has_read_.load(std::memory_order_acquire); }

 private:
  std::vector<TrackedFileStatus> files_;
  Sender<TrackedFileReport> reports_;
  std::atomic<Duration::rep> reading_since_{0};  // 0: not reading
  std::atomic<bool> has_read_{false};
};

}  // namespace ftfw
