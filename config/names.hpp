// The names that the configuration knows and the numbers behind them: IP protocols (IANA), ICMP types (as nft
// spells them), the kernel's connection tracking helpers; and the nearest name to a misspelt one. Pure
// tables.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ftfw::config {

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolDccp = 33;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;
inline constexpr std::uint8_t kProtocolSctp = 132;
inline constexpr std::uint8_t kProtocolUdplite = 136;

std::optional<std::uint8_t> protocol_number(std::string_view name);
// "tcp"; the number itself where there is no name.
std::string protocol_name(std::uint8_t number);
std::span<const std::string_view> protocol_names();

std::optional<std::uint8_t> icmp_type_number(std::string_view name);
std::span<const std::string_view> icmp_type_names();
std::optional<std::uint8_t> icmpv6_type_number(std::string_view name);
std::span<const std::string_view> icmpv6_type_names();

// A helper module of the kernel (net/netfilter/nf_conntrack_*.c).
struct KernelHelper {
  std::string_view name;
  std::uint8_t protocol;
  std::uint16_t port;  // the usual one
  // The kernel gives it to connections that this other helper expects, and takes it from nobody else
  // (nf_conntrack_h323_main.c); empty: a rule assigns it.
  std::string_view through = {};
};
// One element per protocol that a helper is registered for; nothing for an unknown name.
std::vector<KernelHelper> kernel_helpers(std::string_view name);
std::vector<std::string_view> kernel_helper_names();

// Insertions, deletions, replacements and swaps of neighbours between two words.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that is near enough to be meant, if any.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

// "a, b or c".
std::string listed(std::span<const std::string_view> words, std::string_view last_separator = " or ");

}  // namespace ftfw::config
