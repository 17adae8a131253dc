// ftfwctl: asks a running ftfw-appliance over its control socket.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "appliance/control_socket.hpp"

int main(int argc, char** argv) {
  CLI::App app{"Ask a running ftfw-appliance.", "ftfwctl"};
  std::string socket = "/run/ftfw/control.sock";
  app.add_option("--socket", socket, "control socket of the daemon")
      ->type_name("PATH")
      ->capture_default_str();
  app.require_subcommand(1);
  CLI::App* status = app.add_subcommand("status", "role, peer, replication, last takeover, alarms");
  bool json = false;
  status->add_flag("--json", json, "for programs (schema 1)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  const auto answer = ftfw::ask_control_socket(socket, json ? "status --json" : "status");
  if (!answer) {
    std::fprintf(stderr, "ftfwctl: %s\n", answer.error().text.c_str());
    return 4;
  }
  std::fputs(answer->c_str(), stdout);
  return answer->starts_with("error:") ? 1 : 0;
}
