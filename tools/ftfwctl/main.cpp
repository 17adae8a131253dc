// ftfwctl: asks a running ftfw-appliance over its control socket.
// Exit code: 0 answered, 1 refused (or a wrong command line), 4 nobody answers.
#include <cstdio>
#include <string>

#include "appliance/control/client.hpp"
#include "tools/ftfwctl/subcommands.hpp"

int main(int argc, char** argv) {
  CLI::App app{"Ask a running ftfw-appliance.", "ftfwctl"};
  std::string socket = "/run/ftfw/control.sock";
  app.add_option("--socket", socket, "control socket of the daemon")
      ->type_name("PATH")
      ->capture_default_str();
  app.require_subcommand(1);
  ftfw::ctl::Chosen chosen;
  ftfw::ctl::add_subcommands(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  const auto print = [](std::string_view text) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  };
  const auto asked = ftfw::ask_control_socket(socket, chosen.request, print);
  std::fflush(stdout);
  if (asked) return 0;
  const bool refused = asked.error().blame == ftfw::Blame::peer;
  std::fprintf(stderr, "%s: %s\n", refused ? "error" : "ftfwctl", asked.error().text.c_str());
  return refused ? 1 : 4;
}
