#include "appliance/replication_status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace ftfw {
namespace {

constexpr std::size_t kBarWidth = 30;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Only what happened; nothing if nothing did.
std::string listed(const Figures& figures) {
  std::string text;
  for (const auto& [name, value] : figures) {
    if (value == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

nlohmann::ordered_json object_of(const Figures& figures) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : figures) object[name] = value;
  return object;
}

std::string lag_text(const LagStatus& lag, const ConversationView& view) {
  if (!view.alive && lag.entries == 0 && lag.arriving == 0) return "NOT KNOWN, the other node is not heard";
  if (!view.source)
    return lag.arriving == 0 ? "none" : fmt::format("{} received and not in the kernel yet", lag.arriving);
  std::string text = lag.entries == 0 ? "none" : fmt::format("{} entries", lag.entries);
  if (lag.oldest) text += fmt::format(", the oldest for {:.0f} ms", in_milliseconds(*lag.oldest));
  if (lag.reconcile_due) text += ", what a reconcile will find NOT COUNTED";
  if (lag.young > 0) text += fmt::format(" ({} more are below the minimum age)", lag.young);
  return text;
}

std::string reconcile_text(const ReconcileStatus& last, WallTime now) {
  const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - last.finished).count();
  const std::string found = last.ranges == 0
                                ? fmt::format("the whole table was sent, {} entries", last.repaired)
                                : fmt::format("{} entries, {} of {} ranges different, {} entries sent",
                                              last.entries, last.differing, last.ranges, last.repaired);
  return fmt::format("{} s ago ({}), took {:.2f} s: {}", std::max<std::int64_t>(0, ago), last.why,
                     seconds(last.took), found);
}

}  // namespace

std::uint64_t ProgressStatus::per_second() const {
  if (elapsed <= Duration::zero()) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(done) / seconds(elapsed));
}

std::optional<unsigned> ProgressStatus::percent() const {
  if (expected == 0) return std::nullopt;
  return static_cast<unsigned>(std::min<std::uint64_t>(100, done * 100 / expected));
}

std::string to_text(const ProgressStatus& progress, bool bar) {
  const auto percent = progress.percent();
  std::string text;
  if (bar && percent) {
    const std::size_t filled = *percent * kBarWidth / 100;
    text = "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] ";
  }
  text += progress.what + ": ";
  text += percent ? fmt::format("{} % of about {} entries", *percent, progress.expected)
                  : fmt::format("{} entries", progress.done);
  return text + fmt::format(", {}/s", progress.per_second());
}

std::vector<std::string> to_lines(const ConversationStatus& conversation, const ConversationView& view,
                                  WallTime now) {
  std::vector<std::string> lines{"lag " + lag_text(conversation.lag, view)};
  if (const std::string traffic = listed(conversation.traffic); !traffic.empty()) lines.push_back(traffic);
  if (const std::string rejected = listed(conversation.rejected); !rejected.empty())
    lines.push_back("rejected: " + rejected);
  if (conversation.progress) lines.push_back(to_text(*conversation.progress, view.bar));
  if (conversation.last_reconcile)
    lines.push_back("last reconcile " + reconcile_text(*conversation.last_reconcile, now));
  return lines;
}

void add_to(nlohmann::ordered_json& peer, const ConversationStatus& conversation) {
  const LagStatus& lag = conversation.lag;
  peer["lag"] = {{"entries", lag.entries},
                 {"oldest_ms", lag.oldest ? in_milliseconds(*lag.oldest) : 0.0},
                 {"reconcile_due", lag.reconcile_due},
                 {"arriving", lag.arriving},
                 {"young", lag.young}};
  peer["traffic"] = object_of(conversation.traffic);
  peer["rejected"] = object_of(conversation.rejected);
  peer["last_reconcile"] = nullptr;
  if (const auto& last = conversation.last_reconcile) {
    peer["last_reconcile"] = {
        {"why", last->why},
        {"finished", std::chrono::duration<double>(last->finished.time_since_epoch()).count()},
        {"seconds", seconds(last->took)},
        {"entries", last->entries},
        {"ranges", last->ranges},
        {"ranges_different", last->differing},
        {"repaired", last->repaired}};
  }
  peer["progress"] = nullptr;
  if (const auto& progress = conversation.progress) {
    peer["progress"] = {{"what", progress->what},
                        {"done", progress->done},
                        {"expected", progress->expected},
                        {"per_second", progress->per_second()},
                        {"seconds", seconds(progress->elapsed)}};
  }
}

}  // namespace ftfw
