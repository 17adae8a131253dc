// Tables as messages: made, deleted, put to sleep, woken.
#pragma once

#include <string>

#include "firewall/linux/batch.hpp"
#include "firewall/linux/objects.hpp"

namespace ftfw::firewall::linux_nft {

enum class Activity : bool { awake, dormant };

// The empty table with our mark.
void create_table(Batch& batch, const Table& table, Activity activity);
// Everything in the table: objects, chains, then sets and rules.
void fill_table(Batch& batch, const Table& table, const CounterValues& carried);
// With all that is in it.
void delete_table(Batch& batch, const std::string& name);
// Dormant or awake, without touching the content; refused (ENOENT) if the table is not there. At most one
// toggle of a table is possible in a batch (EINVAL), and no new base chain of it afterwards (EOPNOTSUPP).
void toggle_table(Batch& batch, const std::string& name, Activity activity);

}  // namespace ftfw::firewall::linux_nft
