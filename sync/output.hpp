// What the engine wants done, in order. Data only; the replication thread (or a simulation) carries it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "sync/group_state.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync {

// Why the kernel's table is read.
enum class DumpPurpose : std::uint8_t {
  compare,    // both: what is here, for the digests
  full_send,  // source: for the peer
  learn,      // replica: what is there already
  sweep,      // replica: what the source's table does not have
  settle,     // new source: entries that still have a parked timeout
};

// One datagram of plaintext, at most wire::kMaxFrameBytes, for this peer (its place in Settings::peers). The
// channel encrypts and sends it; it may be lost.
struct SendFrame {
  std::size_t peer = 0;
  ByteVector bytes;
};
// Read the kernel's table, conntracks first, then expectations. Answer with Engine::on_dump for each piece
// while Engine::ready_for_dump(), and with exactly one on_dump_end. One dump at a time is asked of a reader:
// 0 reads for this node itself, 1 + peer for that peer, so that no peer waits for another one's pace.
struct StartDump {
  std::uint64_t dump = 0;
  std::size_t reader = 0;
  DumpPurpose purpose = DumpPurpose::full_send;
};
// To the kernel, in this order. Answer with exactly one Engine::on_applied; one Apply at a time is under way.
struct Apply {
  std::vector<Operation> operations;
};
struct PeerChanged {
  std::size_t index = 0;
  PeerState peer;
};
// A peer that is primary has said so again, or anything of what it says has changed (before PeerChanged):
// for those who believe it only while it is fresh.
struct PeerSpoke {
  std::size_t index = 0;
  PeerState peer;
  Instant heard;
};
struct InSyncChanged {
  bool in_sync = false;
  std::string reason;
};
// Answer to Engine::commit: everything received until then is in the kernel. complete: and nothing is known
// to be missing. A newer commit or a change of role replaces one that was not answered yet.
struct CommitFinished {
  std::uint64_t plan = 0;
  bool complete = false;
};
// Answer to Engine::drain.
struct Drained {
  std::uint64_t plan = 0;
};
enum class NoticeKind : std::uint8_t {
  malformed_frame,
  reflected_hello,
  wrong_peer,
  no_common_version,
  outbox_overflow,
  table_full,
  two_sources,
};
inline constexpr std::size_t kNoticeKinds = 7;
// Worth an operator's eye; each kind at most once in Engine::kBetweenNotices.
struct Notice {
  NoticeKind kind = NoticeKind::malformed_frame;
  std::string text;
};

using Output = std::variant<SendFrame, StartDump, Apply, PeerChanged, PeerSpoke, InSyncChanged,
                            CommitFinished, Drained, Notice>;

}  // namespace ftfw::sync
