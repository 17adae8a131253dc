// Tables as messages: made, deleted, put to sleep, woken.
#pragma once

#include <cstdint>
#include <string>

#include "firewall/linux/batch.hpp"
#include "firewall/linux/objects.hpp"

namespace ftfw::firewall::linux_nft {

enum class Activity : bool { awake, dormant };

// The empty table with this run's mark.
void create_table(Batch& batch, const Table& table, Activity activity, std::uint64_t author);
// Everything in the table: objects and named sets, chains, then rules with their own sets.
void fill_table(Batch& batch, const Table& table, const CounterValues& carried);
// The two halves of it; of the sets that are large (sets.hpp) without the elements.
void fill_objects(Batch& batch, const Table& table, const CounterValues& carried);
void fill_chains(Batch& batch, const Table& table);
// With all that is in it.
void delete_table(Batch& batch, const std::string& name);
// Dormant or awake, without touching the content; refused (ENOENT) if the table is not there. At most one
// toggle of a table is possible in a batch (EINVAL), and no new base chain of it afterwards (EOPNOTSUPP).
void toggle_table(Batch& batch, const std::string& name, Activity activity);

}  // namespace ftfw::firewall::linux_nft
