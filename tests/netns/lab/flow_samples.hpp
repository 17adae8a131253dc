// One flow for everything that a kernel lets another program write: each protocol, each attribute, both
// families, translated and not. Made in a firewall's kernel by ctnetlink, through libnetfilter_conntrack, as
// far as that kernel has it; whether it has is read back from the entry itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

struct MadeSample {
  std::string name;
  // Why this kernel does not offer it; nothing: it stands in the table as it was wanted.
  std::optional<std::string> not_offered;
};

// All samples, in an order that masters come first. Labels need a rule that uses them.
std::vector<MadeSample> make_samples(const Lab& lab, Node node);
// Other values of what can change: state, mark, labels, sequence adjustment.
void change_samples(const Lab& lab, Node node);
void destroy_samples(const Lab& lab, Node node);

// Expectations of the samples with helpers: any and one source, class, flags, NAT and function.
std::vector<MadeSample> make_expectations(const Lab& lab, Node node);

}  // namespace ftfw::lab
