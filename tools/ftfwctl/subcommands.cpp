#include "tools/ftfwctl/subcommands.hpp"

#include <array>
#include <memory>

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

constexpr std::array kSubcommands{add_status, add_announce};

}  // namespace

void add_subcommands(CLI::App& app, Chosen& chosen) {
  for (const auto add : kSubcommands) add(app, chosen);
}

}  // namespace ftfw::ctl
