#include "appliance/explain_command.hpp"

#include "appliance/configuration_file.hpp"
#include "firewall/explain.hpp"
#include "firewall/policy.hpp"
#include "firewall/presumed.hpp"

namespace ftfw {

int run_explain(const Options& options, std::ostream& out, std::ostream& err) {
  const auto file = load_configuration(options, err);
  if (!file) return exit_status(ExitCode::invalid_configuration);
  const firewall::Ruleset ruleset = firewall::build_ruleset(file->config, {});
  const firewall::Guard guard = firewall::build_guard(file->config);
  const auto answer = firewall::explain({.config = file->config,
                                         .ruleset = ruleset,
                                         .guard = guard,
                                         .file = options.config_path,
                                         .source = file->text},
                                        firewall::presumed_surroundings(file->config), options.packet,
                                        firewall::Role::unknown);
  if (!answer) {
    err << "ftfw-appliance: " << answer.error().text;
    return exit_status(ExitCode::usage);
  }
  out << *answer;
  return exit_status(ExitCode::ok);
}

}  // namespace ftfw
