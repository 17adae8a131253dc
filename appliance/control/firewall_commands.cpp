#include "appliance/control/firewall_commands.hpp"

#include <string>

#include "firewall/explain.hpp"
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

}  // namespace ftfw
