#include "sync/settler.hpp"

namespace ftfw::sync {

Settler::Settler(const Settings& settings, const Filter& filter, Injector& injector)
    : settings_(settings), filter_(filter), injector_(injector) {}

void Settler::start(Instant now) {
  next_pass_ = now + kFirstPass;
  passes_left_ = kPasses;
}

bool Settler::due(Instant now) {
  if (!next_pass_ || now < *next_pass_) return false;
  next_pass_.reset();
  found_ = false;
  --passes_left_;
  return true;
}

bool Settler::parked(const ConntrackEntry& entry, std::uint32_t normal_s) const {
  if (!entry.timeout_s || (entry.status.value_or(0) & status::kFixedTimeout) != 0) return false;
  if (*entry.timeout_s > normal_s) return true;
  // A state that normally lives longer than the parked timeout: traffic since the takeover would show.
  const auto parked_s = std::chrono::duration_cast<std::chrono::seconds>(settings_.parked_timeout).count();
  return normal_s > parked_s && *entry.timeout_s <= parked_s;
}

void Settler::on_dump(std::span<const ConntrackEntry> entries) {
  for (const ConntrackEntry& entry : entries) {
    if (!filter_.covers(entry)) continue;
    const std::uint32_t normal_s = settings_.normal_timeouts.for_entry(entry);
    if (!parked(entry, normal_s)) continue;
    found_ = true;
    injector_.push(SetTimeout{.key = entry.key, .reply = entry.reply, .timeout_s = normal_s});
  }
}

void Settler::on_dump_end(Instant now, bool complete) {
  if (complete && (!found_ || passes_left_ == 0)) return;
  if (!complete && passes_left_ < kPasses) ++passes_left_;
  next_pass_ = now + (complete ? kBetweenPasses : kFirstPass);
}

}  // namespace ftfw::sync
