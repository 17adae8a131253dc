// ftfwctl: asks a running ftfw-appliance over its control socket.
// Exit code: 0 answered, 1 refused (or a wrong command line), 2 the configuration file was refused, 4 nobody
// answers.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "appliance/control/client.hpp"
#include "tools/ftfwctl/subcommands.hpp"

namespace {

constexpr std::chrono::seconds kBetweenFrames{1};
constexpr const char* kClearScreen = "\033[H\033[2J";

bool print(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}
bool print_at_once(std::string_view text) {
  return print(text) && std::fflush(stdout) == 0;
}

int show_error(const ftfw::Error& error) {
  const bool invalid = error.blame == ftfw::Blame::configuration;
  const bool refused = invalid || error.blame == ftfw::Blame::peer;
  std::fprintf(stderr, "%s: %s\n", refused ? "error" : "ftfwctl", error.text.c_str());
  if (invalid) return 2;
  return refused ? 1 : 4;
}

// Frame by frame until it is interrupted or nobody reads: over each other on a terminal, one below the other
// elsewhere. A daemon that is gone meanwhile may come back.
int watch(const std::string& socket, const std::string& request) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  bool answered = false;
  for (;;) {
    const auto text = ftfw::ask_control_socket(socket, request);
    if (!text && !answered) return show_error(text.error());
    answered = true;
    const std::string frame = text ? *text : "ftfwctl: " + text.error().text + "\n";
    if (!print(terminal ? kClearScreen + frame : frame + "\n") || std::fflush(stdout) != 0) return 0;
    std::this_thread::sleep_for(kBetweenFrames);
  }
}

}  // namespace

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
  if (chosen.watch) return watch(socket, chosen.request);
  const auto asked =
      chosen.follow ? ftfw::ask_control_socket(socket, chosen.request, print_at_once, ftfw::Patience::endless)
                    : ftfw::ask_control_socket(socket, chosen.request, print);
  std::fflush(stdout);
  return asked ? 0 : show_error(asked.error());
}
