// The configuration file as it is read from disk, once: its text and whether others can read it. Bounded, so
// that a wrong path (a device, a disk image) is an error and not a full memory.
#pragma once

#include <cstddef>
#include <string>

#include "appliance/base/result.hpp"

namespace ftfw::config {

inline constexpr std::size_t kMaxSourceBytes = 1024 * 1024;

struct SourceFile {
  std::string text;
  bool others_can_read = false;  // by its mode; a password inside is worth a warning then
};

// The error's text does not repeat the path.
Result<SourceFile> read_source_file(const std::string& path);

}  // namespace ftfw::config
