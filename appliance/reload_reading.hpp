// A new configuration is read away from the threads that must not wait: files are read, everything is judged
// as --check does, the rules are built and compared with those in force, by a short-lived thread of normal
// priority. What comes back is whole: every problem, or everything that the failover thread needs to carry
// the change out. Invariant: nothing here changes the machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "appliance/base/mailbox.hpp"
#include "appliance/policy_book.hpp"
#include "config/diagnostic.hpp"
#include "firewall/change.hpp"
#include "firewall/policy.hpp"

namespace ftfw {

struct ReloadCandidate {
  std::shared_ptr<const PolicyInForce> policy;
  firewall::RulesetChange rules;  // from those in force
  bool guard = false;             // it is another one
};

struct JudgedReload {
  std::vector<std::string> diagnostics;  // as --check writes them: whole lines, warnings among them
  std::size_t errors = 0;
  std::optional<ReloadCandidate> candidate;  // none: there are errors
};

// The rules of a policy, kept alive by it.
std::shared_ptr<const firewall::Ruleset> ruleset_of(const std::shared_ptr<const PolicyInForce>& policy);

// What the reading needs beside the policy in force. Does not change while the appliance runs.
struct ReloadSurroundings {
  firewall::Capabilities capabilities;
};

// The work itself.
JudgedReload judge_reload(const ReloadSurroundings& surroundings,
                          const std::shared_ptr<const PolicyInForce>& running);

// One at a time. Owned and used by the failover thread.
class ReloadReading {
 public:
  explicit ReloadReading(ReloadSurroundings surroundings) : surroundings_(std::move(surroundings)) {}

  // Begins; the file is the one of the policy in force. While none is under way.
  void begin(std::shared_ptr<const PolicyInForce> running);
  bool under_way() const { return under_way_; }
  // Readable when it has ended.
  int fd() const { return done_.wake_fd(); }
  // What came out, once.
  std::optional<JudgedReload> take();

 private:
  ReloadSurroundings surroundings_;
  Mailbox<JudgedReload> done_{1};
  bool under_way_ = false;
  std::jthread thread_;
};

}  // namespace ftfw
