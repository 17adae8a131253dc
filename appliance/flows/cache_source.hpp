// The flows of a standby with a cache, which the replication thread owns: the control thread asks it for a
// piece at a time. While the flows are in the kernel (primary, or a commit is under way) it says so, and the
// kernel's table is shown instead.
//
//   CacheSource -> CacheRead  -> replication
//   CacheSource <- CachePiece <- replication
//
// Thread: control; answer_reads() is called on the replication thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "appliance/base/mailbox.hpp"
#include "appliance/flows/source.hpp"
#include "sync/flow_tables.hpp"

namespace ftfw {

struct CacheRead {
  std::uint64_t id = 0;
  FlowKind kind = FlowKind::entries;
  bool first = true;
  sync::FlowCache::Cursor after;  // where the piece before ended
};
using CacheReads = Mailbox<CacheRead>;

struct CachePiece {
  std::uint64_t id = 0;
  bool cached = false;  // else the flows are in the kernel
  sync::DumpPiece piece;
  sync::FlowCache::Cursor end;
};
using CachePieces = Mailbox<CachePiece>;

class CacheDesk {
 public:
  CacheDesk(CacheReads& reads, CachePieces& pieces) : reads_(reads), pieces_(pieces) {}

  Result<std::unique_ptr<FlowSource>> open(FlowKind kind);

  // For ControlServer::wake_with.
  int wake_fd() const { return pieces_.wake_fd(); }
  void read_pieces();

 private:
  class Source;

  CacheReads& reads_;
  CachePieces& pieces_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::weak_ptr<CachePiece>> waiting_;  // id 0 in it: not answered yet
};

// Whatever was asked so far. An answer for which there is no room is of a client that has gone: there is room
// for one of each that can be served.
void answer_reads(const sync::FlowTables& tables, CacheReads& reads, CachePieces& pieces);

}  // namespace ftfw
