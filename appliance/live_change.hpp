// What of a new configuration cannot take effect while the appliance runs: every such key, each at its place
// in the new file. Pure. The table of what can is in README.md. Compared are values, not texts: a key that is
// written out with its default is no change.
#pragma once

#include <cstddef>
#include <string_view>

#include "config/diagnostic.hpp"
#include "config/model.hpp"

namespace ftfw {

// text: of the new file, for the places.
void check_live(const config::Config& from, const config::Config& to, std::string_view text,
                config::DiagnosticList& list);

}  // namespace ftfw
