// Every construct of the policy as the operator writes it, beside the nft rules that it must become: what
// policy_text_test.cpp compares as text, and kernel_listing_test.cpp with what the kernel holds.
#pragma once

#include <string>
#include <vector>

#include "config/model.hpp"

namespace ftfw::firewall::test {

struct Construct {
  const char* name;
  const char* policy;  // sections of [firewall], appended to a small configuration
  const char* table;
  const char* chain;
  const char* rules;  // without the established rules and the reply rule of `forward`
};

const std::vector<Construct>& constructs();

// A pair with eth1 inside, eth0 outside and eth2 between the nodes, and these sections. Throws if it is not
// valid.
config::Config config_of(const std::string& policy);

}  // namespace ftfw::firewall::test
