// Named objects of a table as messages: helper objects, counters, flowtables.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "firewall/linux/batch.hpp"

namespace ftfw::firewall::linux_nft {

struct CounterValue {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

// By counter name: what a table that is replaced has counted so far. A table has few named counters: they
// come from the configuration.
using CounterValues = std::map<std::string, CounterValue, std::less<>>;

void add_object(Batch& batch, const std::string& table, const HelperObject& helper);
void add_object(Batch& batch, const std::string& table, const CounterObject& counter,
                const CounterValues& carried);
void add_object(Batch& batch, const std::string& table, const FlowtableObject& flowtable);

void delete_object(Batch& batch, const std::string& table, const HelperObject& helper);
void delete_object(Batch& batch, const std::string& table, const CounterObject& counter);
void delete_object(Batch& batch, const std::string& table, const FlowtableObject& flowtable);

}  // namespace ftfw::firewall::linux_nft
