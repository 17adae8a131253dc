// The command line of ftfw-appliance as a value, and the exit codes that scripts and systemd see. Pure: it
// looks at nothing but its arguments, so the same parse serves the program and its tests.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "appliance/base/log.hpp"

namespace ftfw {

enum class ExitCode {
  ok = 0,
  usage = 1,
  invalid_configuration = 2,
  valid_with_warnings = 3,  // only with --strict
  system_refuses = 4,       // permission, kernel feature, missing interface or file
};

constexpr int exit_status(ExitCode code) {
  return static_cast<int>(code);
}

enum class Command { run, check, print_ruleset, explain, load_guard, generate_key };
enum class StartRole {
  automatic,  // listen, then elect
  primary,    // skip the wait at the start, then elect as usual
  backup,     // never become primary: a replica only
};
enum class ReportFormat { text, json };

struct Options {
  Command command = Command::run;
  std::string config_path = "/etc/ftfw/appliance.toml";
  std::string node;  // empty: recognised by its addresses
  StartRole role = StartRole::automatic;
  std::string control_socket = "/run/ftfw/control.sock";
  std::string state_directory = "/var/lib/ftfw";
  std::optional<log::Format> log_format;  // none: the journal's under systemd, else text
  bool strict = false;
  ReportFormat report_format = ReportFormat::text;
  std::string key_path;  // --generate-key
  std::string packet;    // --explain, as firewall/packet_text.hpp reads it
};

// The program ends at once: --help and --version to standard output, a wrong use to standard error.
struct EarlyExit {
  ExitCode code = ExitCode::ok;
  std::string text;
};

std::variant<Options, EarlyExit> parse_command_line(int argc, const char* const* argv);

}  // namespace ftfw
