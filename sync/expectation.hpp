// One expectation, whole: class, NAT and function included (libnetfilter_conntrack loses these when building
// a message, so sync/linux writes expectations itself).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/tuple.hpp"

namespace ftfw::sync {

struct ExpectationNat {
  std::uint32_t direction = 0;  // IP_CT_DIR_*
  Tuple tuple;                  // the saved original: address, port, protocol
  bool operator==(const ExpectationNat&) const = default;
};

// What names an expectation in a kernel's table.
struct ExpectationKey {
  Tuple expected;  // source_port 0 and a mask of 0 mean "any"
  std::uint16_t zone = 0;
  auto operator<=>(const ExpectationKey&) const = default;
};

struct Expectation {
  ExpectationKey key;
  Tuple mask;    // same protocol; all-ones where the field is compared
  Tuple master;  // original tuple of the master conntrack
  std::uint32_t timeout_s = 0;
  std::uint32_t flags = 0;  // NF_CT_EXPECT_*
  std::uint32_t expect_class = 0;
  std::optional<ExpectationNat> nat;
  std::string helper;
  std::string function;  // "nat-follow-master"
  bool operator==(const Expectation&) const = default;
};

}  // namespace ftfw::sync
