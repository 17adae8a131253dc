#include <fmt/format.h>

#include <iostream>
#include <variant>

#include "appliance/check_command.hpp"
#include "appliance/command_line.hpp"
#include "appliance/key_command.hpp"

namespace ftfw {
namespace {

int dispatch(const Options& options) {
  switch (options.command) {
    case Command::check:
      return run_check(options, std::cout);
    case Command::generate_key:
      return run_generate_key(options, std::cout, std::cerr);
    case Command::print_ruleset:
    case Command::run:
      break;
  }
  std::cerr << "ftfw-appliance: not built in\n";
  return exit_status(ExitCode::system_refuses);
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
