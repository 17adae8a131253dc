#include <iostream>
#include <variant>

#include "appliance/check_command.hpp"
#include "appliance/command_line.hpp"
#include "appliance/daemon.hpp"
#include "appliance/explain_command.hpp"
#include "appliance/guard_command.hpp"
#include "appliance/key_command.hpp"

namespace ftfw {
namespace {

int dispatch(const Options& options) {
  switch (options.command) {
    case Command::run:
      return run_daemon(options);
    case Command::check:
      return run_check(options, std::cout);
    case Command::print_ruleset:
      return run_print_ruleset(options, std::cout, std::cerr);
    case Command::explain:
      return run_explain(options, std::cout, std::cerr);
    case Command::load_guard:
      return run_load_guard(options, std::cout, std::cerr);
    case Command::generate_key:
      return run_generate_key(options, std::cout, std::cerr);
  }
  return exit_status(ExitCode::usage);
}

}  // namespace
}  // namespace ftfw

int main(int argc, char** argv) {
  const auto parsed = ftfw::parse_command_line(argc, argv);
  if (const auto* exit = std::get_if<ftfw::EarlyExit>(&parsed)) {
    (exit->code == ftfw::ExitCode::ok ? std::cout : std::cerr) << exit->text;
    return ftfw::exit_status(exit->code);
  }
  return ftfw::dispatch(std::get<ftfw::Options>(parsed));
}
