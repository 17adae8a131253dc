// The chains of the forward hook: what the rules of the configuration allow, and which flows take the fast
// path. What comes where, and why: README.md. Pure.
#pragma once

#include "config/model.hpp"
#include "firewall/policy.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

// A flowtable that this kernel has, or must have.
bool is_used(const config::Flowtable& flowtable, const Capabilities& capabilities);

// Answers, reached from forward_chain only.
Chain forward_reply_chain(const config::Firewall& firewall, const Capabilities& capabilities);
Chain forward_chain(const config::Firewall& firewall, const Capabilities& capabilities);

}  // namespace ftfw::firewall
