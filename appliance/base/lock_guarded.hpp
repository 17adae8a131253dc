// A mutex that owns its data: nobody can touch the value without holding the lock.
#pragma once

#include <mutex>
#include <utility>

namespace ftfw {

template <typename T>
class LockGuarded {
 public:
  LockGuarded() = default;
  explicit LockGuarded(T value) : value_(std::move(value)) {}

  // Runs use(value) under the lock and returns what it returns. Keep it short.
  template <typename Use>
  decltype(auto) with(Use&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }

  T copy() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace ftfw
