#include "appliance/guard_command.hpp"

#include "appliance/configuration_file.hpp"
#include "appliance/control/client.hpp"
#include "firewall/guard.hpp"
#include "firewall/linux/loader.hpp"

namespace ftfw {

int run_load_guard(const Options& options, std::ostream& out, std::ostream& err) {
  if (ask_control_socket(options.control_socket, "status", [](std::string_view) { return true; })) {
    out << "an ftfw-appliance runs here and has the guard in its hands: nothing is changed\n";
    return exit_status(ExitCode::ok);
  }
  const auto file = load_configuration(options, err);
  // Without a configuration nobody knows the virtual addresses; what is not for this machine is dropped.
  const config::Config config = file ? file->config : config::Config{};
  auto loader = firewall::Loader::open(firewall::build_guard(config));
  if (!loader) {
    err << "ftfw-appliance: " << loader.error().text << '\n';
    return exit_status(ExitCode::system_refuses);
  }
  if (const auto closed = loader->close(); !closed) {
    for (const firewall::Refusal& refusal : closed.error())
      err << "ftfw-appliance: " << refusal.object << ": " << refusal.text << '\n';
    return exit_status(ExitCode::system_refuses);
  }
  if (!file) {
    err << "ftfw-appliance: the guard is up without virtual addresses: nothing is forwarded until the "
           "configuration is right\n";
    return exit_status(ExitCode::invalid_configuration);
  }
  out << "the guard is up: nothing is forwarded\n";
  return exit_status(ExitCode::ok);
}

}  // namespace ftfw
