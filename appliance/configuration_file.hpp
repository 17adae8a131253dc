// The configuration file as a command reads it: every diagnostic goes to `err`, and a value comes back only
// if none is an error.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "appliance/command_line.hpp"
#include "config/model.hpp"

namespace ftfw {

struct ConfigurationFile {
  config::Config config;
  std::string text;  // with secrets masked
};

std::optional<ConfigurationFile> load_configuration(const Options& options, std::ostream& err);

}  // namespace ftfw
