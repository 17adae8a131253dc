// Two firewalls that forward for the reference network, of either make, in a lab of their own: ours, or
// keepalived's sync group with the same rules, loaded once and for good. fw-1 has priority 100, fw-2 80.
#pragma once

#include <memory>
#include <string>

#include "tests/interop/speaker.hpp"
#include "tests/interop/wire.hpp"
#include "tests/netns/lab/advertisement_capture.hpp"
#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/lab.hpp"

namespace ftfw::bench {

enum class Make { ours, keepalived };
enum class Scheduling { real_time, normal };  // of ours; keepalived's is normal by default

class Pair {
 public:
  static constexpr int kPrimarysPriority = 100;
  static constexpr int kBackupsPriority = 80;

  static std::unique_ptr<Pair> create(Make make, Duration interval);
  virtual ~Pair() = default;
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  // fw-1 is Active; alone.
  virtual void start_primary(Scheduling scheduling = Scheduling::real_time) = 0;
  // fw-2 is its backup, ready to take over.
  virtual void start_backup() = 0;
  // fw-1's machine loses its power right after an advertisement was seen on eth1.
  void crash_primary();

  // Waits for the first claim of fw-2 on every leg since the mark.
  void wait_for_backup(std::size_t mark, Duration at_most);

  lab::Lab& lab() { return lab_; }
  const interop::Wire& wire() const { return wire_; }
  const interop::Dialect& dialect() const { return dialect_; }
  // Processor time of fw-1's thread that advertises; nothing for keepalived.
  virtual Duration advertiser_time() const { return {}; }

 protected:
  explicit Pair(Duration interval);
  virtual void power_off_primary() = 0;
  void wait_for_primary();

  interop::Dialect dialect_;
  lab::Lab lab_;
  lab::AdvertisementCapture capture_;
  interop::Wire wire_;
};

// (gap - interval) of every two advertisements of fw-1 on one leg since the mark, of both legs.
std::vector<Duration> lateness(const Pair& pair, std::size_t mark);

}  // namespace ftfw::bench
