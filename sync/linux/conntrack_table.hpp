// The kernel's table as something to write to and to read whole. Owned by the replication thread (the only
// injector: the kernel serialises them anyway). Two sockets: one injects, one dumps, so that the answers of
// one never mix with the pieces of the other. Decides nothing: what to write and what a refusal means is the
// engine's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"
#include "sync/kernel_table.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

class ConntrackTable final : public KernelTable {
 public:
  struct Counters {
    std::uint64_t messages_sent = 0;
    std::uint64_t refusals = 0;
    std::uint64_t unknown_results = 0;  // operations whose answer was lost
    std::uint64_t unparsable = 0;       // dumped entries that were left out
    std::uint64_t dumps_interrupted = 0;
  };

  // Blame::system with EPERM without CAP_NET_ADMIN. The buffer holds the answers to one batch; the default
  // has room for one that fails as a whole, many times over.
  static Result<ConntrackTable> open(int answer_buffer_bytes = 4 << 20);

  ConntrackTable(ConntrackTable&& other) noexcept;
  ConntrackTable& operator=(ConntrackTable&& other) noexcept;
  ~ConntrackTable() override;

  // The sender of these changes in ctnetlink's events (nlmsg_pid): what Capture filters out.
  std::uint32_t port_id() const { return inject_.port_id(); }

  // In this order. The answer names what was refused; everything else is in the kernel. An error
  // (Blame::kernel) means that the socket itself failed, and nothing is known about these operations.
  Result<std::vector<Refusal>> apply(std::span<const Operation> operations) override;

  // All entries, then all expectations, in pieces of at most one datagram (32 KiB, about 100 entries), each
  // of which costs one system call that does not wait. A dump under way is dropped. An entry may come twice
  // if the table is resized meanwhile.
  Status begin_dump() override;
  Result<DumpPiece> next_dump_piece() override;
  bool dumping() const { return phase_ != Phase::idle; }
  // Readable while a dump has more to give.
  int dump_fd() const { return dump_.fd(); }

  const Counters& counters() const { return counters_; }

 private:
  enum class Phase : std::uint8_t { idle, entries, expectations };
  struct Batch;

  ConntrackTable(NetlinkSocket inject, NetlinkSocket dump);
  Status finish(Batch& batch, std::vector<Refusal>& refusals);
  Status request_dump();
  Status take(const nlmsghdr& header, DumpPiece& piece);
  Status end_phase(const nlmsghdr& header, DumpPiece& piece);

  NetlinkSocket inject_;
  NetlinkSocket dump_;
  std::unique_ptr<Batch> batch_;  // its memory is used again
  Phase phase_ = Phase::idle;
  std::uint32_t sequence_ = 0;
  std::uint32_t dump_sequence_ = 0;
  ByteVector receive_buffer_;
  Counters counters_;
};

}  // namespace ftfw::sync
