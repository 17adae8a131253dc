#include "config/names.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ftfw::config {
namespace {

constexpr std::array<std::string_view, 8> kProtocolNames{"tcp",  "udp",    "sctp", "dccp",
                                                         "icmp", "icmpv6", "gre",  "udplite"};
constexpr std::array<std::uint8_t, 8> kProtocolNumbers{6, 17, 132, 33, 1, 58, 47, 136};

constexpr std::array<std::string_view, 15> kIcmpTypeNames{
    "echo-reply",        "destination-unreachable", "source-quench",       "redirect",
    "echo-request",      "router-advertisement",    "router-solicitation", "time-exceeded",
    "parameter-problem", "timestamp-request",       "timestamp-reply",     "info-request",
    "info-reply",        "address-mask-request",    "address-mask-reply"};
constexpr std::array<std::uint8_t, 15> kIcmpTypeNumbers{0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

constexpr std::array<std::string_view, 18> kIcmpv6TypeNames{
    "destination-unreachable", "packet-too-big",      "time-exceeded",
    "parameter-problem",       "echo-request",        "echo-reply",
    "mld-listener-query",      "mld-listener-report", "mld-listener-done",
    "nd-router-solicit",       "nd-router-advert",    "nd-neighbor-solicit",
    "nd-neighbor-advert",      "nd-redirect",         "router-renumbering",
    "ind-neighbor-solicit",    "ind-neighbor-advert", "mld2-listener-report"};
constexpr std::array<std::uint8_t, 18> kIcmpv6TypeNumbers{1,   2,   3,   4,   128, 129, 130, 131, 132,
                                                          133, 134, 135, 136, 137, 138, 141, 142, 143};

constexpr std::array<KernelHelper, 14> kKernelHelpers{{{"ftp", 6, 21},
                                                       {"tftp", 17, 69},
                                                       {"sip", 17, 5060},
                                                       {"sip", 6, 5060},
                                                       {"irc", 6, 6667},
                                                       {"amanda", 17, 10080},
                                                       {"pptp", 6, 1723},
                                                       {"sane", 6, 6566},
                                                       {"snmp", 17, 161},
                                                       {"snmp_trap", 17, 162},
                                                       {"netbios-ns", 17, 137},
                                                       {"RAS", 17, 1719},
                                                       {"Q.931", 6, 1720},
                                                       {"H.245", 6, 1720, "Q.931"}}};

// Longer words are not misspelt keys; the distance of two of them would cost time for nothing.
constexpr std::size_t kLongestWord = 64;

template <std::size_t N>
std::optional<std::uint8_t> number_of(std::string_view name, const std::array<std::string_view, N>& names,
                                      const std::array<std::uint8_t, N>& numbers) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return numbers.at(static_cast<std::size_t>(found - names.begin()));
}

}  // namespace

std::optional<std::uint8_t> protocol_number(std::string_view name) {
  return number_of(name, kProtocolNames, kProtocolNumbers);
}

std::string protocol_name(std::uint8_t number) {
  const auto found = std::ranges::find(kProtocolNumbers, number);
  if (found == kProtocolNumbers.end()) return std::to_string(number);
  return std::string(kProtocolNames.at(static_cast<std::size_t>(found - kProtocolNumbers.begin())));
}

std::span<const std::string_view> protocol_names() {
  return kProtocolNames;
}

std::optional<std::uint8_t> icmp_type_number(std::string_view name) {
  return number_of(name, kIcmpTypeNames, kIcmpTypeNumbers);
}

std::span<const std::string_view> icmp_type_names() {
  return kIcmpTypeNames;
}

std::optional<std::uint8_t> icmpv6_type_number(std::string_view name) {
  return number_of(name, kIcmpv6TypeNames, kIcmpv6TypeNumbers);
}

std::span<const std::string_view> icmpv6_type_names() {
  return kIcmpv6TypeNames;
}

std::vector<KernelHelper> kernel_helpers(std::string_view name) {
  std::vector<KernelHelper> found;
  std::ranges::copy_if(kKernelHelpers, std::back_inserter(found),
                       [name](const KernelHelper& helper) { return helper.name == name; });
  return found;
}

std::vector<std::string_view> kernel_helper_names() {
  std::vector<std::string_view> names;
  for (const KernelHelper& helper : kKernelHelpers) {
    if (names.empty() || names.back() != helper.name) names.push_back(helper.name);
  }
  return names;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > kLongestWord || b.size() > kLongestWord) return std::max(a.size(), b.size());
  // Optimal string alignment: row i holds the distances of a[0, i) to every beginning of b.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string listed(std::span<const std::string_view> words, std::string_view last_separator) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last_separator : std::string_view(", ");
    text += words[i];
  }
  return text;
}

}  // namespace ftfw::config
