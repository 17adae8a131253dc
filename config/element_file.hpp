// The elements of a group as a file of their own, read once when the configuration is: what config::load()
// gets as its reader. Bounded, regular files only, so that a wrong path is an error and not a full memory or
// a hanging start.
#pragma once

#include <cstddef>
#include <string>

#include "appliance/base/result.hpp"

namespace ftfw::config {

inline constexpr std::size_t kMaxElementFileBytes = 16 * 1024 * 1024;

// The error's text does not repeat the path.
Result<std::string> read_element_file(const std::string& path);

}  // namespace ftfw::config
