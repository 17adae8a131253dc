// The policy that is in force, for whoever explains it: immutable, replaced as a whole by the failover
// thread, read by the control thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "config/model.hpp"
#include "firewall/guard.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw {

struct PolicyInForce {
  config::Config config;
  firewall::Ruleset ruleset;
  firewall::Guard guard;
  std::string file;    // its name
  std::string source;  // its text, secrets masked
};

class PolicyBook {
 public:
  explicit PolicyBook(std::shared_ptr<const PolicyInForce> policy) : policy_(std::move(policy)) {}

  std::shared_ptr<const PolicyInForce> now() const {
    const std::lock_guard lock(mutex_);
    return policy_;
  }
  void replace(std::shared_ptr<const PolicyInForce> policy) {
    const std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const PolicyInForce> policy_;
};

}  // namespace ftfw
