// The machine-wide limits of connection tracking, raised for a bench and put back afterwards: they belong to
// the first network namespace and hold for all.
#pragma once

#include <cstddef>
#include <string>

namespace ftfw::bench {

class KernelLimits {
 public:
  struct Wanted {
    std::size_t entries = 0;
    std::size_t buckets = 0;
  };
  // Never lowers one.
  explicit KernelLimits(const Wanted& wanted);
  ~KernelLimits();
  KernelLimits(const KernelLimits&) = delete;
  KernelLimits& operator=(const KernelLimits&) = delete;

 private:
  std::string entries_before_;
  std::string buckets_before_;
};

}  // namespace ftfw::bench
