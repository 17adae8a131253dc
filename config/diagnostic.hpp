// One problem of a configuration file, and the two forms in which an operator or a program reads it.
// Pure: text in, text out. The file name and the source belong to the caller. Secrets in the source never
// reach the output: the shown line is masked (config/secrets.hpp). Form: FILE:LINE:COL: error: text, the
// line, a caret, a hint. Columns count code points, as the parser does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"

namespace ftfw::config {

enum class Severity { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  Location where;    // line 0: the file as a whole
  std::string text;  // what is wrong, lower case, no full stop
  std::string hint;  // what to write instead; may be empty
};

// "error" or "warning".
std::string_view severity_name(Severity severity);

// Text of the file inside a message: in single quotes, cut when long, control characters replaced.
std::string quoted(std::string_view text);

// Several lines, each ended by a newline.
std::string render_text(const Diagnostic& diagnostic, std::string_view file, std::string_view source);

// One JSON object on one line, ended by a newline: file, severity, line and column (absent for the file as a
// whole), text, hint (absent when empty).
std::string render_json(const Diagnostic& diagnostic, std::string_view file);

// More than anyone reads; a file of a megabyte of mistakes must not take a gigabyte to describe.
inline constexpr std::size_t kMaxDiagnostics = 500;

// Collects the diagnostics of one file; nothing here stops at the first. From kMaxDiagnostics on they are
// counted.
class DiagnosticList {
 public:
  void error(Location where, std::string text, std::string hint = {});
  void warning(Location where, std::string text, std::string hint = {});

  bool has_errors() const { return has_errors_; }
  // In file order; those of one place in the order in which they were found.
  std::vector<Diagnostic> in_file_order() const;

 private:
  void add(Diagnostic diagnostic);

  std::vector<Diagnostic> diagnostics_;  // sorted by place
  std::size_t not_kept_ = 0;
  bool has_errors_ = false;
};

}  // namespace ftfw::config
