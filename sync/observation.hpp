// What the capture side tells the engine about a kernel's table, and what the engine wants done to one. The
// two vocabularies between sync/ (pure) and sync/linux (ctnetlink), and between sync/ and a simulated kernel.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "sync/conntrack_entry.hpp"
#include "sync/expectation.hpp"

namespace ftfw::sync {

// ---- from the kernel

enum class Change : std::uint8_t { created, updated, destroyed };

struct ConntrackEvent {
  Change change = Change::created;
  ConntrackEntry entry;
};

struct ExpectationEvent {
  Change change = Change::created;  // created or destroyed: the kernel reports no updates
  Expectation expectation;
};

using Event = std::variant<ConntrackEvent, ExpectationEvent>;

// ---- to the kernel

// All operations on replicas carry parked timeouts and BE_LIBERAL as the engine decided: sync/linux writes
// exactly what it is given and decides nothing.
struct CreateConntrack {
  ConntrackEntry entry;
};  // reply tuple is translated to the kernel's form by sync/linux
struct UpdateConntrack {
  ConntrackEntry entry;
};  // without NAT and master; the helper it has, to re-arm it
struct DeleteConntrack {
  EntryKey key;
};
struct CreateExpectation {
  Expectation expectation;
};
struct DeleteExpectation {
  ExpectationKey key;
};

struct Operation {
  std::uint64_t id = 0;  // the engine's, returned with a refusal
  std::variant<CreateConntrack, UpdateConntrack, DeleteConntrack, CreateExpectation, DeleteExpectation>
      action;
  // TCP: ask the kernel not to check windows of this entry in either direction (IP_CT_TCP_FLAG_BE_LIBERAL).
  bool be_liberal = true;
};

struct Refusal {
  std::uint64_t id = 0;
  int error = 0;  // errno: EEXIST, ENOENT, EBUSY, EOPNOTSUPP, ENOMEM, ENOSPC, EINVAL ...
};

}  // namespace ftfw::sync
