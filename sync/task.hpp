// What is to be done to the own kernel's table, before it is known how: values in the injector's queue.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "sync/observation.hpp"
#include "sync/range_set.hpp"

namespace ftfw::sync {

// Bring the entry in: created where it is missing, updated where it is.
struct Upsert {
  enum class Step : std::uint8_t { decide, create, update, replace };
  ConntrackEntry entry;
  bool only_if_absent = false;
  Step step = Step::decide;  // after a refusal: what to try next
  // What was tried, so that no entry goes round for ever.
  bool tried_create = false;
  bool tried_update = false;
  bool tried_replace = false;
  bool waited_for_master = false;
};
// An own entry on becoming replica: park it, and let the kernel not check its windows. Not if the peer's word
// about it came since it was learned: that did both, and is newer.
struct MakeLiberal {
  ConntrackEntry entry;
  std::uint32_t generation = 0;
};
// swept: only if the full send of this generation did not confirm it.
struct Destroy {
  EntryKey key;
  bool swept = false;
  std::uint32_t generation = 0;
};
// A replica whose parked timeout has half run out: parked anew.
struct Renew {
  EntryKey key;
  Tuple reply;
};
struct SetTimeout {
  EntryKey key;
  Tuple reply;
  std::uint32_t timeout_s = 0;
};
struct PutExpectation {
  Expectation expectation;
  bool replace = false;  // one of this key is there, and belongs to another master
};
struct DropExpectation {
  ExpectationKey key;
  bool swept = false;
  std::uint32_t generation = 0;
};
// A place in the queue: everything before it is in the kernel when it is reached.
struct Mark {
  // begin, end, swept: of a full send or of ranges; compare, compared: of a compare.
  enum class Kind : std::uint8_t { begin, end, swept, compare, compared };
  Kind kind = Kind::begin;
  std::uint64_t send = 0;                            // of the source; or the compare's number
  std::uint64_t epoch = 0;                           // of the source
  std::uint64_t session = 0;                         // in which it came
  std::shared_ptr<const RangeSet> ranges = nullptr;  // begin, swept: only these
};

using Task =
    std::variant<Upsert, MakeLiberal, Destroy, Renew, SetTimeout, PutExpectation, DropExpectation, Mark>;

}  // namespace ftfw::sync
