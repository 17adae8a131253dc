#include "config/load.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>

#include "config/reader.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::int64_t kSchema = 1;
constexpr std::array<std::string_view, 2> kOnExit{"closed", "open"};

// The parser's sentence in our form: "Error while parsing array: encountered end-of-file" -> "syntax: array:
// ...".
Diagnostic syntax_error(const toml::parse_error& error) {
  std::string text(error.description());
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (text.starts_with(kPrefix)) text.erase(0, kPrefix.size());
  if (!text.empty()) text.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
  std::string hint;
  if (text.find("could not determine value type") != std::string::npos ||
      text.find("expected digit") != std::string::npos) {
    hint = "text, addresses and durations stand in quotes: \"eth0\", \"192.168.0.1\", \"3s\"";
  } else if (text.find("cannot redefine") != std::string::npos) {
    hint = "the same name stands further up; a list of sections has double brackets";
  }
  return {Severity::error, location_of(error.source()), "syntax: " + text, hint};
}

void read_schema(Section& root) {
  const auto value = root.value({"schema", "1", Need::required});
  if (!value) return;
  const auto number = value->node.as_integer();
  if (number == nullptr || number->get() != kSchema) {
    value->error(fmt::format("this program reads schema {}, found {}", kSchema, described(value->node)),
                 fmt::format("schema = {}", kSchema));
  }
}

Config read_all(const toml::table& table, DiagnosticList& diagnostics) {
  Section root(table, "the file", Location{}, diagnostics);
  read_schema(root);
  Config config;
  config.nodes = read_nodes(root);
  config.vrrp = read_vrrp(root);
  config.group = read_sync_group(root);
  config.replication = read_replication(root);
  config.firewall = read_firewall(root);
  const auto on_exit = root.choice({"on_exit", "\"closed\""}, kOnExit);
  if (on_exit) config.on_exit = on_exit->value == 0 ? OnExit::closed : OnExit::open;
  root.finish();
  check_group(config, diagnostics);
  check_firewall(config, diagnostics);
  return config;
}

}  // namespace

Loaded load(std::string_view text) {
  try {
    const toml::table table = toml::parse(text);
    DiagnosticList diagnostics;
    Config config = read_all(table, diagnostics);
    Loaded loaded{std::nullopt, diagnostics.in_file_order()};
    if (!diagnostics.has_errors()) loaded.config = std::move(config);
    return loaded;
  } catch (const toml::parse_error& error) {
    return {std::nullopt, {syntax_error(error)}};
  }
}

}  // namespace ftfw::config
