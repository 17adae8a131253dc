// [replication].
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/duration.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::string_view kKeyHint =
    "key_file = \"/etc/ftfw/replication.key\" (ftfw-appliance --generate-key FILE makes one), or insecure = "
    "true to run "
    "without any protection";
constexpr std::array<std::string_view, 1> kStandbyModes{"kernel"};
// A conntrack timeout counts whole seconds; a month is more than any kernel default (5 days for TCP).
constexpr Duration kMinParkedTimeout = 60s;
constexpr Duration kMaxParkedTimeout = 720h;
constexpr Duration kMinCompareInterval = 1s;
constexpr Duration kMaxCompareInterval = 24h;

// Either a key file or, in words, none.
void read_key(Section& section, Replication& replication) {
  const auto insecure = section.flag({"insecure", "true"});
  if (insecure) replication.insecure = insecure->value;
  const auto value = section.value({"key_file", "\"/etc/ftfw/replication.key\"",
                                    replication.insecure ? Need::optional : Need::required, kKeyHint});
  if (!value) return;
  const auto path = value->text("a path in quotes");
  if (!path) return;
  if (!path->value.starts_with('/') || path->value.find('\0') != std::string::npos) {
    value->error(fmt::format("'key_file' must be an absolute path, found {}", quoted(path->value)));
    return;
  }
  if (replication.insecure) {
    value->error("a key file and insecure = true contradict each other", "keep one of the two");
    return;
  }
  replication.key_file = path->value;
  replication.key_file_where = path->where;
}

void read_standby(Section& section, Replication& replication) {
  const auto value = section.value({"standby", "\"kernel\""});
  if (!value) return;
  if (value->node.value<std::string_view>() == "cache") {
    value->error("standby = \"cache\" is not implemented in this version", "standby = \"kernel\"");
  } else if (const auto mode = value->choice(kStandbyModes)) {
    replication.standby_where = mode->where;
  }
}

void read_protocols(Section& section, Replication& replication) {
  for (const Value& value :
       section.list({"protocols", "[\"tcp\", \"udp\"]; leave it out to replicate all"})) {
    const auto protocol = value.protocol();
    if (!protocol) continue;
    if (std::ranges::find(replication.protocols, protocol->value) != replication.protocols.end()) {
      value.error("this protocol stands in the list already", "");
      continue;
    }
    replication.protocols.push_back(protocol->value);
  }
}

void read_timing(Section& section, Replication& replication) {
  const auto parked = section.value({"parked_timeout", "\"24h\""});
  const auto timeout = parked ? parked->duration(kMinParkedTimeout, kMaxParkedTimeout) : std::nullopt;
  if (timeout) replication.parked_timeout = timeout->value;
  if (timeout && timeout->value % 1s != Duration::zero()) {
    parked->error("the kernel counts connection tracking timeouts in whole seconds");
  }
  const auto interval =
      section.duration({"compare_interval", "\"60s\""}, kMinCompareInterval, kMaxCompareInterval);
  if (interval) replication.compare_interval = interval->value;

  if (replication.parked_timeout >= 2 * replication.compare_interval) return;
  const std::string_view key = timeout ? "parked_timeout" : "compare_interval";
  section.diagnostics().error(
      section.where_key(key),
      fmt::format("flows parked for {} would expire before a compare every {} has renewed them",
                  format_duration(replication.parked_timeout), format_duration(replication.compare_interval)),
      "parked_timeout must be at least twice compare_interval");
}

}  // namespace

Replication read_replication(Section& root) {
  Replication replication;
  auto section =
      root.table({"replication", "add [replication] with the interface of the dedicated link and a key_file",
                  Need::required},
                 "[replication]");
  if (!section) return replication;
  if (const auto interface = section->interface({"interface", "\"eth2\"", Need::required})) {
    replication.interface = interface->value;
    replication.interface_where = interface->where;
  }
  if (const auto port = section->integer({"port", "3780"}, 1, 65535)) {
    replication.port = static_cast<std::uint16_t>(port->value);
  }
  read_key(*section, replication);
  read_standby(*section, replication);
  read_protocols(*section, replication);
  if (const auto expectations = section->flag({"expectations", "true"})) {
    replication.expectations = expectations->value;
  }
  read_timing(*section, replication);
  section->finish();
  return replication;
}

}  // namespace ftfw::config
