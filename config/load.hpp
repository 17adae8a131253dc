// The text of a configuration file -> one immutable Config, or every reason why not. Pure: no machine, and no
// file but by the reader that the caller hands in. Of syntax the parser's first error is reported, of meaning
// all errors at once. Warnings accompany a Config only: beside errors they would often be mere consequences.
// Source of the keys: config/README.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/diagnostic.hpp"
#include "config/model.hpp"

namespace ftfw::config {

struct Loaded {
  std::optional<Config> config;         // present exactly if no diagnostic is an error
  std::vector<Diagnostic> diagnostics;  // in file order
};

// The text of a file that the configuration names (the elements of a group); an error says why not.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// Without a reader, a configuration that names such a file is in error.
Loaded load(std::string_view text, const ReadFile& read_file = {});

}  // namespace ftfw::config
