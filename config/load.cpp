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

void replace(std::string& text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
}

// What the parser's sentence contains, and what helps then.
struct SyntaxHint {
  std::string_view symptom;
  std::string_view hint;
};
constexpr std::string_view kQuotes =
    "text, addresses and durations stand in quotes: \"eth0\", \"192.168.0.1\", \"3s\"";
constexpr std::array<SyntaxHint, 5> kSyntaxHints{{
    {"could not determine value type", kQuotes},
    {"expected digit", kQuotes},
    {"unescaped control characters", "is a closing quote missing?"},
    {"cannot redefine existing table",
     "the same section stands further up; a list of sections has double brackets"},
    {"cannot redefine", "the same key stands further up"},
}};

// "Error while parsing array: encountered end-of-file" -> "syntax: array: encountered the end of the file".
Diagnostic syntax_error(const toml::parse_error& error) {
  std::string text(error.description());
  Diagnostic diagnostic{Severity::error, location_of(error.source()), "syntax: ", ""};
  for (const SyntaxHint& one : kSyntaxHints) {
    if (diagnostic.hint.empty() && text.find(one.symptom) != std::string::npos) diagnostic.hint = one.hint;
  }
  replace(text, "Error while parsing ", "");
  replace(text, "saw '\\n'", "found the end of the line");
  replace(text, "end-of-file", "the end of the file");
  replace(text, "unescaped control characters other than TAB (U+0009) are explicitly prohibited",
          "the line ends, or a control character stands, inside it");
  if (!text.empty()) text.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
  diagnostic.text += text;
  return diagnostic;
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

Config read_all(const toml::table& table, const ReadFile& read_file, DiagnosticList& diagnostics) {
  Section root(table, "the file", Location{}, diagnostics);
  read_schema(root);
  Config config;
  config.nodes = read_nodes(root);
  config.vrrp = read_vrrp(root);
  config.group = read_sync_group(root);
  config.replication = read_replication(root, config.nodes);
  config.firewall = read_firewall(root, read_file);
  const auto on_exit = root.choice({"on_exit", "\"closed\""}, kOnExit);
  if (on_exit) config.on_exit = on_exit->value == 0 ? OnExit::closed : OnExit::open;
  root.finish();
  check_group(config, diagnostics);
  check_addresses(config, diagnostics);
  check_tracking(config, diagnostics);
  check_firewall(config, diagnostics);
  return config;
}

}  // namespace

Loaded load(std::string_view text, const ReadFile& read_file) {
  try {
    const toml::table table = toml::parse(text);
    DiagnosticList diagnostics;
    Config config = read_all(table, read_file, diagnostics);
    Loaded loaded{std::nullopt, diagnostics.in_file_order()};
    if (diagnostics.has_errors()) {
      std::erase_if(loaded.diagnostics,
                    [](const Diagnostic& one) { return one.severity == Severity::warning; });
    } else {
      loaded.config = std::move(config);
    }
    return loaded;
  } catch (const toml::parse_error& error) {
    return {std::nullopt, {syntax_error(error)}};
  }
}

}  // namespace ftfw::config
