#include "appliance/status.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

namespace ftfw {
namespace {

std::string utc(WallTime time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

// "3d 2h", "4m 10s", "12s": two units are enough for a person.
std::string age(std::chrono::system_clock::duration elapsed) {
  const auto seconds = std::max<long>(0, std::chrono::duration_cast<std::chrono::seconds>(elapsed).count());
  if (seconds >= 86400) return fmt::format("{}d {}h", seconds / 86400, seconds % 86400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h {}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// For people: the first two always, of the rest what is not zero.
std::string figures(const std::vector<std::pair<std::string, std::uint64_t>>& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& [name, value] = values[i];
    if (i >= 2 && value == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

std::string link_text(const ReplicationLinkStatus& link) {
  std::string text = link.interface + ": " + link.condition;
  if (!link.trouble.empty()) text += " (" + link.trouble + ")";
  if (link.carries) text += ", carries the flows";
  if (!link.cipher.empty())
    text += fmt::format(", {} % delivered, {}, {}", link.delivered_percent, link.cipher, link.key);
  return text;
}

// Only a source is told by its peers whether they are in sync with it.
std::string peer_text(const ReplicationPeerStatus& peer, bool source) {
  if (!peer.alive) return peer.name + " NOT HEARD on the dedicated link";
  const std::string_view in_sync = !source ? "" : peer.in_sync ? ", in sync" : ", NOT IN SYNC";
  return fmt::format("{} {}{}, alive on the dedicated link", peer.name, upper(peer.role), in_sync);
}

nlohmann::json object_of(const std::vector<std::pair<std::string, std::uint64_t>>& values) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

nlohmann::ordered_json object_of(const ReplicationPeerStatus& peer) {
  nlohmann::ordered_json links = nlohmann::ordered_json::array();
  for (const ReplicationLinkStatus& link : peer.links) {
    links.push_back({{"interface", link.interface},
                     {"condition", link.condition},
                     {"carries", link.carries},
                     {"delivered_percent", link.delivered_percent},
                     {"cipher", link.cipher},
                     {"key", link.key},
                     {"trouble", link.trouble},
                     {"counters", object_of(link.counters)}});
  }
  nlohmann::ordered_json object = {{"name", peer.name},   {"alive", peer.alive},
                                   {"role", peer.role},   {"in_sync", peer.in_sync},
                                   {"epoch", peer.epoch}, {"figures", object_of(peer.figures)}};
  add_to(object, peer.conversation);
  object["links"] = std::move(links);
  return object;
}

// "80", or "60 (configured 80)"
std::string priority_text(const StatusBoard& board) {
  if (board.vrrp.priority == board.configured_priority) return fmt::format("{}", board.vrrp.priority);
  return fmt::format("{} (configured {})", board.vrrp.priority, board.configured_priority);
}

std::string link_text(const RouterStatus& router, Instant now) {
  if (router.link_usable) return "up";
  if (!router.usable_from) return "DOWN";
  return fmt::format("up, counts in {:.1f} s", in_milliseconds(*router.usable_from - now) / 1000);
}

}  // namespace

void StatusBoard::alarm(std::string text) {
  if (alarms.size() == kMaxAlarms) alarms.pop_front();
  alarms.push_back({std::chrono::system_clock::now(), std::move(text)});
}

std::string render_text(const StatusBoard& board, Instant now, ProgressForm form) {
  std::string out;
  const auto line = [&out]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
    out += '\n';
  };
  line("{}  {} since {} ({})", board.node, upper(board.role), utc(board.since),
       age(std::chrono::system_clock::now() - board.since));
  if (!board.cause.empty()) line("  why          {}", board.cause);
  const ReplicationStatus& replication = board.replication;
  for (const ReplicationPeerStatus& peer : replication.peers)
    line("  peer         {}", peer_text(peer, replication.source));
  if (!replication.source)
    line("  in sync      {}{}", replication.in_sync ? "yes" : "NO",
         replication.in_sync_reason.empty() ? "" : " (" + replication.in_sync_reason + ")");
  line("  addresses    {}: {}", fmt::join(board.addresses, ", "),
       board.addresses_held
           ? fmt::format("held, lease {} s",
                         std::chrono::duration_cast<std::chrono::seconds>(board.lease).count())
           : "not held");
  line("  rules        {}", board.rules);
  if (!board.routes.empty()) line("  routes       {}", fmt::join(board.routes, ", "));
  if (board.foreign_changes > 0)
    line("  changed      {} times by other programs, repaired {} times", board.foreign_changes,
         board.repairs);
  if (board.put_back > 0)
    line("  put back     {} (addresses or routes that another program removed)", board.put_back);
  if (!board.vrrp.waits_for.empty()) line("  waits        {}", board.vrrp.waits_for);
  line("  sync group   {}, priority {}, epoch {}", board.group, priority_text(board), board.epoch);
  for (const RouterStatus& router : board.vrrp.routers) {
    line("    {} ({}, id {}{}): link {}, {}", router.name, router.interface, router.id,
         router.virtual_mac.empty() ? "" : ", " + router.virtual_mac, link_text(router, now),
         router.heard ? fmt::format("heard {} {:.1f} s ago", router.active,
                                    in_milliseconds(now - *router.heard) / 1000)
                      : "no other Active heard");
    if (!router.counters.empty()) line("      {}", figures(router.counters));
  }
  for (const TrackedInterfaceStatus& tracked : board.vrrp.tracked) {
    line(
        "    tracked {}: {}{}", tracked.interface, tracked.up ? "up" : "DOWN",
        tracked.weight ? fmt::format(" (priority {:+} while down)", *tracked.weight) : " (fault while down)");
  }
  for (const TrackedFileStatus& file : board.tracked_files) {
    line("    tracked {}: {} (weight {:+}){}", file.path, file.value, file.weight,
         file.readable ? "" : ", UNREADABLE now");
  }
  line("  replication  {}{}{}", replication.source ? "source" : "replica",
       replication.figures.empty() ? "" : ": ", figures(replication.figures));
  for (const ReplicationPeerStatus& peer : replication.peers) {
    line("    with {}{}{}", peer.name, peer.figures.empty() ? "" : ": ", figures(peer.figures));
    for (const std::string& text :
         to_lines(peer.conversation,
                  {.source = replication.source, .alive = peer.alive, .bar = form == ProgressForm::bar},
                  std::chrono::system_clock::now())) {
      line("      {}", text);
    }
    for (const ReplicationLinkStatus& link : peer.links) {
      line("      link {}", link_text(link));
      if (!link.counters.empty()) line("        {}", figures(link.counters));
    }
  }
  if (!replication.capture.empty()) line("    events {}", figures(replication.capture));
  for (const std::string& defect : board.kernel_defects) line("  kernel       {}", defect);
  if (!board.last_transition.empty()) line("  last change  {}", board.last_transition);
  for (const AlarmStatus& alarm : board.alarms) line("  alarm        {}  {}", utc(alarm.at), alarm.text);
  if (board.alarms.empty()) line("  alarms       none");
  line("  kernel settings");
  for (const SysctlStatus& sysctl : board.sysctls) {
    line("    {} = {} (was {}): {}", sysctl.name, sysctl.wanted, sysctl.found, sysctl.why);
  }
  return out;
}

std::string render_json(const StatusBoard& board, Instant now) {
  nlohmann::ordered_json out;
  out["schema"] = 1;
  out["version"] = board.version;
  out["node"] = board.node;
  out["role"] = board.role;
  out["cause"] = board.cause;
  out["since"] = std::chrono::duration<double>(board.since.time_since_epoch()).count();
  out["epoch"] = board.epoch;
  out["addresses"] = board.addresses;
  out["addresses_held"] = board.addresses_held;
  out["lease_seconds"] = std::chrono::duration<double>(board.lease).count();
  out["routes"] = board.routes;
  out["put_back"] = board.put_back;
  out["rules"] = board.rules;
  out["foreign_changes"] = board.foreign_changes;
  out["repairs"] = board.repairs;
  out["last_transition"] = board.last_transition;
  const ReplicationStatus& replication = board.replication;
  out["replication"] = {{"role", replication.source ? "source" : "replica"},
                        {"in_sync", replication.in_sync},
                        {"reason", replication.in_sync_reason},
                        {"figures", object_of(replication.figures)},
                        {"events", object_of(replication.capture)}};
  nlohmann::ordered_json peers = nlohmann::ordered_json::array();
  for (const ReplicationPeerStatus& peer : replication.peers) peers.push_back(object_of(peer));
  out["peers"] = std::move(peers);
  out["kernel_defects"] = board.kernel_defects;
  nlohmann::ordered_json routers = nlohmann::ordered_json::array();
  for (const RouterStatus& router : board.vrrp.routers) {
    nlohmann::ordered_json item = {{"name", router.name},     {"interface", router.interface},
                                   {"id", router.id},         {"link", router.link_usable},
                                   {"active", router.active}, {"counters", object_of(router.counters)}};
    if (!router.virtual_mac.empty()) item["virtual_mac"] = router.virtual_mac;
    if (router.heard) item["heard_seconds_ago"] = std::chrono::duration<double>(now - *router.heard).count();
    routers.push_back(std::move(item));
  }
  nlohmann::ordered_json tracked_interfaces = nlohmann::ordered_json::array();
  for (const TrackedInterfaceStatus& tracked : board.vrrp.tracked) {
    nlohmann::ordered_json item = {{"interface", tracked.interface}, {"up", tracked.up}};
    if (tracked.weight) item["weight"] = *tracked.weight;
    tracked_interfaces.push_back(std::move(item));
  }
  nlohmann::ordered_json tracked_files = nlohmann::ordered_json::array();
  for (const TrackedFileStatus& file : board.tracked_files) {
    tracked_files.push_back(
        {{"file", file.path}, {"value", file.value}, {"weight", file.weight}, {"readable", file.readable}});
  }
  out["sync_group"] = {{"name", board.group},
                       {"state", board.vrrp.state},
                       {"priority", board.vrrp.priority},
                       {"configured_priority", board.configured_priority},
                       {"waits_for", board.vrrp.waits_for},
                       {"virtual_routers", std::move(routers)},
                       {"tracked_interfaces", std::move(tracked_interfaces)},
                       {"tracked_files", std::move(tracked_files)}};
  nlohmann::ordered_json alarms = nlohmann::ordered_json::array();
  for (const AlarmStatus& alarm : board.alarms) {
    alarms.push_back(
        {{"at", std::chrono::duration<double>(alarm.at.time_since_epoch()).count()}, {"text", alarm.text}});
  }
  out["alarms"] = std::move(alarms);
  nlohmann::ordered_json sysctls = nlohmann::ordered_json::array();
  for (const SysctlStatus& sysctl : board.sysctls) {
    sysctls.push_back(
        {{"name", sysctl.name}, {"value", sysctl.wanted}, {"found", sysctl.found}, {"why", sysctl.why}});
  }
  out["sysctls"] = std::move(sysctls);
  return out.dump(2) + "\n";
}

}  // namespace ftfw
