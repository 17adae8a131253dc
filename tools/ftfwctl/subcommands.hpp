// The subcommands of ftfwctl: each adds itself to the command line, and says what to ask the daemon once it
// was chosen. A new one is a function and an entry in kSubcommands.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ftfw::ctl {

// What the command line came to.
struct Chosen {
  std::string request;
  bool watch = false;   // ask again every second
  bool follow = false;  // the answer has no end
};

// Adds the subcommands; parsing then fills `chosen`, which must outlive the app.
void add_subcommands(CLI::App& app, Chosen& chosen);

}  // namespace ftfw::ctl
