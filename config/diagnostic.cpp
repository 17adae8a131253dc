#include "config/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/secrets.hpp"

namespace ftfw::config {
namespace {

constexpr std::string_view kIndent = "    ";
// A longer line is shown as the part around the caret: a file on one line must not flood a terminal.
constexpr std::size_t kShownColumns = 160;
constexpr std::size_t kQuotedColumns = 60;

std::string_view line_of(std::string_view source, std::uint32_t number) {
  for (std::uint32_t line = 1; line < number; ++line) {
    const std::size_t end = source.find('\n');
    if (end == std::string_view::npos) return {};
    source.remove_prefix(end + 1);
  }
  std::string_view found = source.substr(0, source.find('\n'));
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

bool continues_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// One element per code point; control characters (a terminal would obey them) become '?', tabs stay.
std::vector<std::string> code_points(std::string_view line) {
  std::vector<std::string> points;
  for (const char byte : line) {
    if (continues_code_point(byte) && !points.empty()) {
      points.back() += byte;
    } else {
      const auto value = static_cast<unsigned char>(byte);
      const bool control = (value < 0x20 && byte != '\t') || value == 0x7f;
      points.emplace_back(1, control ? '?' : byte);
    }
  }
  return points;
}

std::string line_and_caret(std::string_view line, std::uint32_t column) {
  const std::vector<std::string> points = code_points(line);
  const std::size_t caret = std::min<std::size_t>(column == 0 ? 0 : column - 1, points.size());
  const std::size_t first = caret > kShownColumns * 3 / 4 ? caret - kShownColumns / 2 : 0;
  const std::size_t last = std::min(points.size(), first + kShownColumns);

  std::string shown(kIndent);
  std::string marker(kIndent);
  if (first > 0) {
    shown += "...";
    marker += "   ";
  }
  for (std::size_t i = first; i < last; ++i) {
    shown += points[i];
    if (i < caret) marker += points[i] == "\t" ? '\t' : ' ';
  }
  if (last < points.size()) shown += "...";
  return shown + "\n" + marker + "^\n";
}

}  // namespace

std::string_view severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

std::string quoted(std::string_view text) {
  const std::vector<std::string> points = code_points(text);
  std::string out = "'";
  for (std::size_t i = 0; i < std::min(points.size(), kQuotedColumns); ++i)
    out += points[i] == "\t" ? "?" : points[i];
  return out + (points.size() > kQuotedColumns ? "...'" : "'");
}

std::string render_text(const Diagnostic& diagnostic, std::string_view file, std::string_view source) {
  const Location& where = diagnostic.where;
  const std::string_view severity = severity_name(diagnostic.severity);
  std::string out;
  if (where.line == 0) {
    out = fmt::format("{}: {}: {}\n", file, severity, diagnostic.text);
  } else {
    out = fmt::format("{}:{}:{}: {}: {}\n", file, where.line, where.column, severity, diagnostic.text);
    out += line_and_caret(line_of(mask_secrets(source), where.line), where.column);
  }
  if (!diagnostic.hint.empty()) out += fmt::format("{}hint: {}\n", kIndent, diagnostic.hint);
  return out;
}

std::string render_json(const Diagnostic& diagnostic, std::string_view file) {
  nlohmann::ordered_json object;
  object["file"] = file;
  object["severity"] = severity_name(diagnostic.severity);
  if (diagnostic.where.line != 0) {
    object["line"] = diagnostic.where.line;
    object["column"] = diagnostic.where.column;
  }
  object["text"] = diagnostic.text;
  if (!diagnostic.hint.empty()) object["hint"] = diagnostic.hint;
  // Texts can quote bytes of the file, and those need not be UTF-8.
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void DiagnosticList::error(Location where, std::string text, std::string hint) {
  has_errors_ = true;
  add({Severity::error, where, std::move(text), std::move(hint)});
}

void DiagnosticList::warning(Location where, std::string text, std::string hint) {
  add({Severity::warning, where, std::move(text), std::move(hint)});
}

void DiagnosticList::add(Diagnostic diagnostic) {
  if (diagnostics_.size() == kMaxDiagnostics) {
    ++not_kept_;
    return;
  }
  const auto behind = std::ranges::upper_bound(diagnostics_, diagnostic.where, {}, &Diagnostic::where);
  diagnostics_.insert(behind, std::move(diagnostic));
}

std::vector<Diagnostic> DiagnosticList::in_file_order() const {
  std::vector<Diagnostic> sorted = diagnostics_;
  if (not_kept_ > 0) {
    const Severity severity = has_errors_ ? Severity::error : Severity::warning;
    sorted.push_back({severity, {}, fmt::format("{} more problems, not shown", not_kept_), ""});
  }
  return sorted;
}

}  // namespace ftfw::config
