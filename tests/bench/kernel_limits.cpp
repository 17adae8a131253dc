#include "tests/bench/kernel_limits.hpp"

#include <algorithm>
#include <fstream>

#include "tests/netns/lab/error.hpp"

namespace ftfw::bench {
namespace {

constexpr const char* kEntries = "/proc/sys/net/netfilter/nf_conntrack_max";
constexpr const char* kBuckets = "/proc/sys/net/netfilter/nf_conntrack_buckets";

std::string read(const char* path) {
  std::string value;
  std::ifstream(path) >> value;
  if (value.empty()) lab::give_up(std::string("cannot read ") + path);
  return value;
}

void write(const char* path, const std::string& value) {
  std::ofstream file(path);
  file << value << std::flush;
  if (!file) lab::give_up(std::string("cannot write ") + path);
}

void raise(const char* path, const std::string& before, std::size_t wanted) {
  write(path, std::to_string(std::max<std::size_t>(std::stoul(before), wanted)));
}

}  // namespace

KernelLimits::KernelLimits(const Wanted& wanted)
    : entries_before_(read(kEntries)), buckets_before_(read(kBuckets)) {
  // Buckets first: the kernel scales nothing by itself when they are written.
  raise(kBuckets, buckets_before_, wanted.buckets);
  raise(kEntries, entries_before_, wanted.entries);
}

KernelLimits::~KernelLimits() {
  std::ofstream(kBuckets) << buckets_before_;
  std::ofstream(kEntries) << entries_before_;
}

}  // namespace ftfw::bench
