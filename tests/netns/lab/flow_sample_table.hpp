// The samples as data: what names each flow, what it holds, what must be read back of it. For
// make_samples.cpp.
#pragma once

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ftfw::lab {

// Longer than any test.
inline constexpr std::uint32_t kSampleTimeoutSeconds = 900;

using Fill = std::function<void(nf_conntrack*)>;

struct Sample {
  std::string name;
  Fill names;                             // its tuple and zone
  Fill content;                           // the rest
  std::vector<nf_conntrack_attr> proofs;  // what must be read back, equal
  Fill change;                            // other values
};

std::vector<Sample> all_samples();

std::uint32_t ipv4_number(const char* address);
in6_addr ipv6_number(const char* address);

}  // namespace ftfw::lab
