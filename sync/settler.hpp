// After a takeover: entries that came in with the parked timeout and saw no traffic since get what their
// state normally has, in a few passes over the own table, in the background.
#pragma once

#include <optional>
#include <span>

#include "sync/filter.hpp"
#include "sync/injector.hpp"
#include "sync/settings.hpp"

namespace ftfw::sync {

class Settler {
 public:
  static constexpr Duration kFirstPass = 2s;  // live flows refresh themselves until then
  static constexpr Duration kBetweenPasses = 30s;
  static constexpr int kPasses = 3;  // the later ones for what raced with the one before

  Settler(const Settings& settings, const Filter& filter, Injector& injector);

  void start(Instant now);
  void stop() { next_pass_.reset(); }
  bool due(Instant now);  // true: read the table
  void on_dump(std::span<const ConntrackEntry> entries);
  void on_dump_end(Instant now, bool complete);
  std::optional<Instant> next_deadline() const { return next_pass_; }

 private:
  bool parked(const ConntrackEntry& entry, std::uint32_t normal_s) const;

  const Settings& settings_;
  const Filter& filter_;
  Injector& injector_;
  std::optional<Instant> next_pass_;
  int passes_left_ = 0;
  bool found_ = false;
};

}  // namespace ftfw::sync
