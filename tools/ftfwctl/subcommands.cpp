#include "tools/ftfwctl/subcommands.hpp"

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace ftfw::ctl {
namespace {

void add_status(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand("status", "role, peer, replication, last takeover, alarms");
  const auto json = std::make_shared<bool>(false);
  sub->add_flag("--json", *json, "for programs (schema 1)");
  sub->callback([&chosen, json] { chosen.request = *json ? "status --json" : "status"; });
}

void add_announce(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "announce", "tell the neighbours once more where the virtual addresses are (primary only)");
  sub->callback([&chosen] { chosen.request = "announce"; });
}

void add_explain(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "explain", "which rule decides about a packet, and which line of the configuration made it");
  const auto words = std::make_shared<std::vector<std::string>>();
  sub->add_option("packet", *words, "in quotes: \"tcp 192.168.2.3 > 192.168.0.3:443 in eth1\"")
      ->required()
      ->type_name("PACKET");
  sub->callback([&chosen, words] {
    chosen.request = "explain";
    for (const std::string& argument : *words) {
      std::istringstream each(argument);
      for (std::string word; each >> word;) chosen.request += ' ' + word;
    }
  });
}

constexpr std::array kSubcommands{add_status, add_announce, add_explain};

}  // namespace

void add_subcommands(CLI::App& app, Chosen& chosen) {
  for (const auto add : kSubcommands) add(app, chosen);
}

}  // namespace ftfw::ctl
