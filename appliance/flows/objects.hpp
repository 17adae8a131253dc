// Flows as JSON objects: the fields are documented in appliance/README.md. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sync/conntrack_entry.hpp"
#include "sync/expectation.hpp"

namespace ftfw {

nlohmann::ordered_json object_of(const sync::ConntrackEntry& entry);
nlohmann::ordered_json object_of(const sync::Expectation& expectation);

}  // namespace ftfw
