// [replication] and [[replication.link]].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/duration.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::string_view kKeyHint =
    "key_file = \"/etc/ftfw/replication.key\" (ftfw-appliance --generate-key FILE makes one), or insecure = "
    "true to run "
    "without any protection";
constexpr std::array<std::string_view, 2> kStandbyModes{"kernel", "cache"};
// A conntrack timeout counts whole seconds; a month is more than any kernel default (5 days for TCP).
constexpr Duration kMinParkedTimeout = 60s;
constexpr Duration kMaxParkedTimeout = 720h;
constexpr Duration kMinCompareInterval = 1s;
constexpr Duration kMaxCompareInterval = 24h;
// Beside the first: more lines than that between two machines are one line with a bond.
constexpr std::size_t kMaxFurtherLinks = 3;
// SO_RCVBUFFORCE takes an int, and the kernel doubles it.
constexpr std::int64_t kMinEventBuffer = 1 << 20;
constexpr std::int64_t kMaxEventBuffer = 1 << 30;

struct SizeUnit {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<SizeUnit, 3> kSizeUnits{{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}};

// -1 when it is not a size; what is too long for the type is not one either.
std::int64_t parse_size(std::string_view text) {
  std::int64_t count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (parsed.ec != std::errc() || count < 0) return -1;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto unit = std::ranges::find(kSizeUnits, text, &SizeUnit::name);
  if (unit == kSizeUnits.end()) return -1;
  // Far above any limit, and far below what overflows.
  return std::min<std::int64_t>(count, 1 << 30) * unit->bytes;
}

// An absolute path, or empty.
std::string read_key_path(const Value& value) {
  const auto path = value.text("a path in quotes");
  if (!path) return {};
  if (path->value.starts_with('/') && path->value.find('\0') == std::string::npos) return path->value;
  value.error(fmt::format("'{}' must be an absolute path, found {}", value.key.name, quoted(path->value)));
  return {};
}

// Either a key file (with the next one beside it) or, in words, none.
void read_keys(Section& section, Replication& replication) {
  const auto insecure = section.flag({"insecure", "true"});
  if (insecure) replication.insecure = insecure->value;
  const auto file = section.value({"key_file", "\"/etc/ftfw/replication.key\"",
                                   replication.insecure ? Need::optional : Need::required, kKeyHint});
  const auto next = section.value({"key_file_next", "\"/etc/ftfw/replication-next.key\""});
  for (const auto& value : {file, next}) {
    if (!value || !replication.insecure) continue;
    value->error("a key file and insecure = true contradict each other", "keep one of the two");
    return;
  }
  if (file) replication.key_file = read_key_path(*file);
  if (!replication.key_file.empty()) replication.key_file_where = file->where();
  if (!next) return;
  replication.key_file_next = read_key_path(*next);
  if (!replication.key_file_next.empty()) replication.key_file_next_where = next->where();
  if (!replication.key_file_next.empty() && replication.key_file_next == replication.key_file) {
    next->error("'key_file_next' is the same file as 'key_file'",
                "another file with a new key, made by ftfw-appliance --generate-key FILE");
  }
}

// [[replication.link]]: the links beside the first.
void read_links(Section& section, Replication& replication, const std::vector<Node>& nodes) {
  for (Section& one : section.tables({"link", "add [[replication.link]] with its interface and addresses"},
                                     "[[replication.link]]", kMaxFurtherLinks)) {
    ReplicationLink link{.where = one.where()};
    if (const auto interface = one.interface({"interface", "\"eth3\"", Need::required})) {
      link.interface = interface->value;
      link.interface_where = interface->where;
    }
    auto addresses = one.table(
        {"addresses",
         "one address for each node: addresses = { fw-1 = \"192.168.101.100\", fw-2 = \"192.168.101.200\" }",
         Need::required},
        "addresses");
    for (const Node& node : nodes) {
      if (!addresses) break;
      const auto value = addresses->value({node.name, "\"192.168.101.100\"", Need::required});
      const auto address = value ? value->address() : std::nullopt;
      const bool usable = address && check_usable(address->value, *value);
      link.addresses.push_back(usable ? address->value : IpAddress());
      link.addresses_where.push_back(usable ? address->where : Location());
    }
    if (addresses) addresses->finish();
    one.finish();
    replication.further_links.push_back(std::move(link));
  }
}

// "64MiB", or bytes.
void read_event_buffer(Section& section, Replication& replication) {
  const auto value = section.value({"event_buffer", "\"64MiB\""});
  if (!value) return;
  std::int64_t bytes = 0;
  if (const auto number = value->node.as_integer()) {
    bytes = number->get();
  } else {
    const auto size = value->text("a size in quotes");
    if (!size) return;
    bytes = parse_size(size->value);
    if (bytes < 0) {
      value->error(fmt::format("'event_buffer' must be a whole number of KiB, MiB or GiB, found {}",
                               quoted(size->value)));
      return;
    }
  }
  if (bytes < kMinEventBuffer || bytes > kMaxEventBuffer) {
    value->error("'event_buffer' must be 1MiB to 1GiB");
    return;
  }
  replication.event_buffer_bytes = static_cast<std::uint32_t>(bytes);
}

void read_standby(Section& section, Replication& replication) {
  const auto value = section.value({"standby", "\"kernel\""});
  const auto mode = value ? value->choice(kStandbyModes) : std::nullopt;
  if (!mode) return;
  replication.standby = mode->value == 0 ? StandbyMode::kernel : StandbyMode::cache;
  replication.standby_where = mode->where;
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

Replication read_replication(Section& root, const std::vector<Node>& nodes) {
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
  read_links(*section, replication, nodes);
  read_keys(*section, replication);
  read_standby(*section, replication);
  read_travel(*section, replication);
  if (const auto expectations = section->flag({"expectations", "true"})) {
    replication.expectations = expectations->value;
  }
  read_timing(*section, replication);
  read_event_buffer(*section, replication);
  if (const auto reliable = section->flag({"reliable_destroy", "true"})) {
    replication.reliable_destroy = reliable->value;
  }
  section->finish();
  return replication;
}

}  // namespace ftfw::config
