#include "appliance/control/firewall_commands.hpp"

#include <string>

#include "appliance/control/rules_report.hpp"
#include "firewall/explain.hpp"
#include "firewall/linux/conversation.hpp"
#include "firewall/linux/routes.hpp"
#include "firewall/presumed.hpp"

namespace ftfw {
namespace {

firewall::Role role_of(const std::string& name) {
  if (name == "primary") return firewall::Role::primary;
  return name == "starting" ? firewall::Role::unknown : firewall::Role::standby;
}

// The virtual addresses are the primary's own, whoever is asked.
firewall::Surroundings surroundings_of(const config::Config& config) {
  firewall::Surroundings presumed = firewall::presumed_surroundings(config);
  auto routes = firewall::open_routes();
  if (!routes) return presumed;
  firewall::Surroundings found = *std::move(routes);
  found.route = [&config, kernel = std::move(found.route)](const IpAddress& address) {
    if (!firewall::is_virtual_address(config, address)) return kernel(address);
    return firewall::Route{firewall::Destination::local, {}};
  };
  return found;
}

}  // namespace

ControlCommand explain_command(const PolicyBook& policy, SharedStatus& status) {
  return {.name = "explain",
          .arguments = "PACKET",
          .help = "which rule decides about a packet: tcp 192.168.2.3 > 192.168.0.3:443 in eth1",
          .handle = [&policy, &status](Words words) -> Answer {
            std::string text;
            while (const auto word = words.take_word()) text.append(text.empty() ? "" : " ").append(*word);
            if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
            const auto now = policy.now();
            auto answer = firewall::explain({.config = now->config,
                                             .ruleset = now->ruleset,
                                             .guard = now->guard,
                                             .file = now->file,
                                             .source = now->source},
                                            surroundings_of(now->config), text, role_of(status.copy().role));
            if (!answer) return std::unexpected(answer.error());
            return answer_text(*std::move(answer));
          }};
}

ControlCommand rules_command(const PolicyBook& policy) {
  return {.name = "rules",
          .arguments = "[--json]",
          .help = "the rules in the kernel: counters, configuration lines, sets and their sizes",
          .handle = [&policy](Words words) -> Answer {
            const bool json = words.take_flag("--json");
            if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
            auto conversation = firewall::linux_nft::Conversation::open();
            if (!conversation) return std::unexpected(conversation.error());
            const auto tables = firewall::linux_nft::read_counted(*conversation);
            if (!tables) return std::unexpected(tables.error());
            const auto now = policy.now();
            return answer_text(json ? rules_json(*now, *tables) : rules_text(*now, *tables));
          }};
}

}  // namespace ftfw
