// The values of config/reader.hpp: from one TOML node to one typed value.
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>

#include "config/duration.hpp"
#include "config/names.hpp"
#include "config/reader.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kMaxInterfaceName = IFNAMSIZ - 1;
// Kernel: NFT_NAME_MAXLEN is 256; 63 keeps a rule readable.
constexpr std::size_t kMaxObjectName = 63;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name_character(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

// Kernel: dev_valid_name().
bool is_interface_character(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != '/' && c != ':' && c != 0x7f && c != '"';
}

}  // namespace

Location location_of(const toml::source_region& region) {
  return {static_cast<std::uint32_t>(region.begin.line), static_cast<std::uint32_t>(region.begin.column)};
}

std::string described(const toml::node& node) {
  if (const auto number = node.as_integer()) return fmt::format("the integer {}", number->get());
  if (const auto number = node.as_floating_point()) return fmt::format("the number {}", number->get());
  if (const auto flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_string()) return "a string";
  if (node.is_array_of_tables()) return "a list of tables";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

std::string Value::label() const {
  return fmt::format("{}'{}'", element ? "an element of " : "", key.name);
}

void Value::error(std::string text) const {
  diagnostics.error(where(), std::move(text), fmt::format("for example: {} = {}", key.name, key.example));
}

void Value::error(std::string text, std::string hint) const {
  diagnostics.error(where(), std::move(text), std::move(hint));
}

Read<std::string> Value::text(std::string_view expected) const {
  const auto string = node.as_string();
  if (string == nullptr) {
    error(fmt::format("{} must be {}, found {}", label(), expected, described(node)));
    return std::nullopt;
  }
  return At<std::string>{string->get(), where()};
}

Read<std::int64_t> Value::integer(std::int64_t least, std::int64_t most) const {
  const auto number = node.as_integer();
  if (number == nullptr) {
    error(fmt::format("{} must be an integer, found {}", label(), described(node)));
    return std::nullopt;
  }
  if (number->get() < least || number->get() > most) {
    error(fmt::format("{} must be {} {} {}, found {}", label(), least, most == least + 1 ? "or" : "to", most,
                      number->get()));
    return std::nullopt;
  }
  return At<std::int64_t>{number->get(), where()};
}

Read<Duration> Value::duration(Duration least, Duration most) const {
  const auto written = text("a duration with its unit, in quotes");
  if (!written) return std::nullopt;
  const Result<Duration> parsed = parse_duration(written->value);
  if (!parsed) {
    error(fmt::format("{} is no duration: {}: {}", label(), quoted(written->value), parsed.error().text));
    return std::nullopt;
  }
  if (*parsed < least || *parsed > most) {
    error(fmt::format("{} must be {} to {}, found {}", label(), format_duration(least), format_duration(most),
                      quoted(written->value)));
    return std::nullopt;
  }
  return At<Duration>{*parsed, where()};
}

Read<IpAddress> Value::address() const {
  const auto written = text("an IP address in quotes");
  if (!written) return std::nullopt;
  const auto parsed = IpAddress::parse(written->value);
  if (!parsed) {
    const bool prefix = IpPrefix::parse(written->value).has_value();
    error(fmt::format("{} is no IP address: {}{}", label(), quoted(written->value),
                      prefix ? ": a prefix length has no place here" : ""));
    return std::nullopt;
  }
  return At<IpAddress>{*parsed, where()};
}

Read<IpPrefix> Value::prefix() const {
  const auto written = text("an IP address in quotes, with a prefix length if it needs one");
  if (!written) return std::nullopt;
  const auto parsed = IpPrefix::parse(written->value);
  if (!parsed) {
    error(fmt::format("{} is no IP address or prefix: {}", label(), quoted(written->value)));
    return std::nullopt;
  }
  return At<IpPrefix>{*parsed, where()};
}

Read<std::string> Value::interface() const {
  auto written = text("an interface name in quotes");
  if (!written) return std::nullopt;
  const std::string& name = written->value;
  if (name.size() > kMaxInterfaceName) {
    error(fmt::format("the interface name {} has {} bytes, the kernel allows {}", quoted(name), name.size(),
                      kMaxInterfaceName));
    return std::nullopt;
  }
  if (name.empty() || name == "." || name == ".." || !std::ranges::all_of(name, is_interface_character)) {
    error(fmt::format("{} is no interface name: {}", label(), quoted(name)));
    return std::nullopt;
  }
  return written;
}

Read<std::string> Value::object_name() const {
  auto written = text("a name in quotes");
  if (!written) return std::nullopt;
  const std::string& name = written->value;
  const bool valid = !name.empty() && name.size() <= kMaxObjectName && is_letter(name.front()) &&
                     std::ranges::all_of(name, is_name_character);
  if (!valid) {
    error(
        fmt::format("{} cannot be used as a name: {}: a letter, then letters, digits, '_', '-' or '.', {} "
                    "characters at most",
                    label(), quoted(name), kMaxObjectName));
    return std::nullopt;
  }
  return written;
}

Read<std::size_t> Value::choice(std::span<const std::string_view> allowed) const {
  std::vector<std::string> in_quotes;
  for (const std::string_view word : allowed) in_quotes.push_back(fmt::format("\"{}\"", word));
  const std::vector<std::string_view> shown(in_quotes.begin(), in_quotes.end());
  const auto written = text(listed(shown));
  if (!written) return std::nullopt;
  const auto found = std::ranges::find(allowed, written->value);
  if (found == allowed.end()) {
    const auto meant = nearest(written->value, allowed);
    error(fmt::format("{} must be {}, found {}", label(), listed(shown), quoted(written->value)),
          meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
    return std::nullopt;
  }
  return At<std::size_t>{static_cast<std::size_t>(found - allowed.begin()), where()};
}

Read<std::uint8_t> Value::protocol() const {
  if (node.is_integer()) {
    const auto number = integer(0, 255);
    if (!number) return std::nullopt;
    return At<std::uint8_t>{static_cast<std::uint8_t>(number->value), number->where};
  }
  const auto written = text("a protocol name in quotes or a protocol number");
  if (!written) return std::nullopt;
  const auto number = protocol_number(written->value);
  if (!number) {
    const auto meant = nearest(written->value, protocol_names());
    error(fmt::format("unknown protocol {}", quoted(written->value)),
          meant ? fmt::format("did you mean \"{}\"?", *meant)
                : fmt::format("known are {}; any other by its number", listed(protocol_names(), " and ")));
    return std::nullopt;
  }
  return At<std::uint8_t>{*number, where()};
}

}  // namespace ftfw::config
