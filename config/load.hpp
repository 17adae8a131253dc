// The text of a configuration file -> one immutable Config, or every reason why not. Pure: no file, no
// machine. Of syntax the parser's first error is reported, of meaning all errors at once. Warnings accompany
// a Config only: beside errors they would often be mere consequences. Source of the keys: config/README.md.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/model.hpp"

namespace ftfw::config {

struct Loaded {
  std::optional<Config> config;         // present exactly if no diagnostic is an error
  std::vector<Diagnostic> diagnostics;  // in file order
};

Loaded load(std::string_view text);

}  // namespace ftfw::config
