// Which flows an operator wants to see: the options of conntrack(8) that select. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "appliance/control/words.hpp"
#include "sync/conntrack_entry.hpp"
#include "sync/expectation.hpp"

namespace ftfw {

struct MarkFilter {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
};

// All that is given must hold. Addresses and ports are those of the original direction, as in conntrack(8)
// --src, --dst, --sport, --dport; for an expectation those of the expected flow.
struct FlowFilter {
  std::optional<Family> family;
  std::optional<std::uint8_t> protocol;
  std::optional<IpPrefix> source;
  std::optional<IpPrefix> destination;
  std::optional<IpPrefix> reply_source;
  std::optional<IpPrefix> reply_destination;
  std::optional<std::uint16_t> port;  // either one
  std::optional<std::uint16_t> source_port;
  std::optional<std::uint16_t> destination_port;
  std::optional<std::string> state;
  std::optional<MarkFilter> mark;
  std::optional<std::uint16_t> zone;

  // Takes its options out of the words; every wrong value is an error that says what to write.
  static Result<FlowFilter> take_from(Words& words);
  // "--family ipv4|ipv6", ...
  static const char* arguments();

  bool any() const;  // selects at all
  bool matches(const sync::ConntrackEntry& entry) const;
  bool matches(const sync::Expectation& expectation) const;

 private:
  bool matches(const sync::Tuple& original) const;
};

// "ESTABLISHED", as the kernel and conntrack(8) call it; empty where the protocol has no states, or the entry
// does not say (an offloaded flow).
std::string_view state_name(const sync::ConntrackEntry& entry);

}  // namespace ftfw
