// How entries are shaped for a replica's kernel, and what its refusals mean. Pure functions; the rules are
// those of net/netfilter/nf_conntrack_netlink.c, measured on 6.18 (README.md, "kernel rules").
#pragma once

#include <cstdint>

#include "sync/observation.hpp"
#include "sync/task.hpp"

namespace ftfw::sync {

inline constexpr std::uint32_t kLongestTimeout = 8'589'934;  // seconds; a longer one wraps in the kernel
inline constexpr std::uint8_t kCarriedTcpFlags = 0x03;       // WINDOW_SCALE | SACK_PERM

// Enough to create it: complete, and not an expected entry whose master was not named.
bool creatable(const ConntrackEntry& entry);

// EXPECTED is never given: the kernel sets it with the master, and refuses it otherwise.
CreateConntrack shape_create(ConntrackEntry entry, std::uint32_t timeout_s);
void shape_for_create(ConntrackEntry& entry, std::uint32_t timeout_s);  // where it stands
// Without NAT, helper and master. EXPECTED cannot be changed, so it must say what the kernel's entry has.
UpdateConntrack shape_update(const ConntrackEntry& entry, std::uint32_t parked_s, bool has_master);
// Timeout and protocol state only: everything else of an own entry is right as it is.
UpdateConntrack shape_liberal(const ConntrackEntry& entry, std::uint32_t parked_s);
UpdateConntrack shape_timeout(const EntryKey& key, const Tuple& reply, std::uint32_t timeout_s);
bool wants_liberal(const EntryKey& key);  // TCP

enum class Verdict : std::uint8_t {
  done,   // the entry is there and as it should be
  again,  // `upsert` was changed: try once more
  incomplete,
  reply_clash,
  table_full,
  labels_refused,  // all but the labels was taken
  failed,          // counted; the next compare tries again
};
struct FollowUp {
  Verdict verdict = Verdict::done;
  bool dropped_master = false;
  bool dropped_helper = false;
};

// master_is_retried: the master's own operation is about to be tried again, so it may be there next time.
FollowUp after_create(Upsert& upsert, int error, bool master_is_retried);
FollowUp after_update(Upsert& upsert, int error);

}  // namespace ftfw::sync
