// What lies between the nodes: the two client networks that carry advertisements, and the dedicated link.
// Each path is one-way and has its own faults, so a one-way cut is one flag. Seeded: same seed, same fate of
// every packet.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "tests/sim/event_queue.hpp"

namespace ftfw::sim {

using Random = std::mt19937_64;

inline bool chance(Random& random, double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random) < probability;
}

inline Duration between(Random& random, Duration low, Duration high) {
  return Duration(std::uniform_int_distribution<Duration::rep>(low.count(), high.count())(random));
}

struct PathFaults {
  double loss = 0;
  double duplicate = 0;
  Duration delay_min = 20us;
  Duration delay_max = 200us;  // a wide range reorders
};

// One direction of one wire.
class Path {
 public:
  using Deliver = std::function<void(ByteVector)>;

  Path(EventQueue& queue, Random& random) : queue_(queue), random_(random) {}

  void connect(Deliver deliver) { deliver_ = std::move(deliver); }
  void set_faults(const PathFaults& faults) { faults_ = faults; }
  void cut() { cut_ = true; }
  void restore() { cut_ = false; }
  bool is_cut() const { return cut_; }

  void send(const ByteVector& bytes) {
    if (cut_ || chance(random_, faults_.loss)) return;
    deliver_later(bytes);
    if (chance(random_, faults_.duplicate)) deliver_later(bytes);
  }

 private:
  void deliver_later(const ByteVector& bytes) {
    queue_.after(between(random_, faults_.delay_min, faults_.delay_max), [this, bytes] {
      if (!cut_ && deliver_) deliver_(bytes);
    });
  }

  EventQueue& queue_;
  Random& random_;
  PathFaults faults_;
  bool cut_ = false;
  Deliver deliver_;
};

}  // namespace ftfw::sim
