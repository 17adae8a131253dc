// The only way threads talk: a bounded one-way ring from exactly one producer thread to exactly one consumer
// thread. Wait-free on both sides, so the real-time thread never waits for a lock that another one holds.
// A full mailbox refuses (try_post returns false) and counts; the producer decides what that means.
// The consumer sleeps on wake_fd() (an eventfd) in its event loop and then drains with take().
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "appliance/base/unique_fd.hpp"

namespace ftfw {

template <typename T>
class Mailbox {
 public:
  // capacity is rounded up to a power of two.
  explicit Mailbox(std::size_t capacity)
      : slots_(std::bit_ceil(capacity)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  // Producer thread. False when full: the message was not taken and is counted in refused().
  bool try_post(T message) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == slots_.size()) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    slots_[tail & (slots_.size() - 1)].emplace(std::move(message));
    tail_.store(tail + 1, std::memory_order_release);
    const std::uint64_t one = 1;
    // An eventfd write fails only at its ceiling, and then the consumer is already due to wake.
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    return true;
  }

  // Producer thread: the next try_post will be taken.
  bool has_room() const {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire) < slots_.size();
  }

  // Consumer thread: the oldest message, or nothing.
  std::optional<T> take() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    std::optional<T> message = std::move(slots_[head & (slots_.size() - 1)]);
    slots_[head & (slots_.size() - 1)].reset();
    head_.store(head + 1, std::memory_order_release);
    return message;
  }

  // Consumer thread: forget the wake-ups so far; call it before draining with take().
  void clear_wakeups() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  }

  int wake_fd() const { return wake_.get(); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  std::size_t capacity() const { return slots_.size(); }

 private:
  std::vector<std::optional<T>> slots_;
  UniqueFd wake_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::atomic<std::uint64_t> refused_{0};
};

// The producer's end for messages that must arrive (a change of role, an answer to a step): what the mailbox
// has no room for is kept in order and offered again by flush(), which the producer calls in every round of
// its loop. Only beyond kMaxKept is anything lost, and that is counted.
template <typename T>
class Sender {
 public:
  static constexpr std::size_t kMaxKept = 4096;

  explicit Sender(Mailbox<T>& mailbox) : mailbox_(mailbox) {}

  void post(T message) {
    flush();
    if (kept_.empty() && mailbox_.has_room()) {
      mailbox_.try_post(std::move(message));
    } else if (kept_.size() < kMaxKept) {
      kept_.push_back(std::move(message));
    } else {
      ++lost_;
    }
  }

  void flush() {
    while (!kept_.empty() && mailbox_.has_room()) {
      mailbox_.try_post(std::move(kept_.front()));
      kept_.pop_front();
    }
  }

  std::uint64_t lost() const { return lost_; }

 private:
  Mailbox<T>& mailbox_;
  std::deque<T> kept_;
  std::uint64_t lost_ = 0;
};

}  // namespace ftfw
