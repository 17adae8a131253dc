// A kernel's conntrack table as something to write to and to read whole: what sync/linux is with ctnetlink
// and a simulation with a fake. It decides nothing: what to write and what a refusal means is the engine's.
#pragma once

#include <cerrno>
#include <cstdint>
#include <span>
#include <vector>

#include "appliance/base/result.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

// The refusal's error when the kernel's answers were lost: whether the operation was done is not known. The
// kernel itself never answers an operation with it.
inline constexpr int kResultUnknown = ENOBUFS;

struct DumpPiece {
  enum class Progress : std::uint8_t {
    more,         // call again
    finished,     // this was the last piece
    interrupted,  // the table changed under the dump: begin again
  };
  Progress progress = Progress::more;
  std::vector<ConntrackEntry> entries;
  std::vector<Expectation> expectations;  // after all entries
};

class KernelTable {
 public:
  KernelTable() = default;
  virtual ~KernelTable() = default;
  KernelTable(KernelTable&&) = default;
  KernelTable& operator=(KernelTable&&) = default;
  KernelTable(const KernelTable&) = delete;
  KernelTable& operator=(const KernelTable&) = delete;

  // In this order. The answer names what was refused; everything else is in the kernel. An error means that
  // nothing is known about any of them.
  virtual Result<std::vector<Refusal>> apply(std::span<const Operation> operations) = 0;

  // All entries, then all expectations. A dump under way is dropped. An entry may come twice.
  virtual Status begin_dump() = 0;
  virtual Result<DumpPiece> next_dump_piece() = 0;
};

}  // namespace ftfw::sync
