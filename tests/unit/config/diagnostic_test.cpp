#include "config/diagnostic.hpp"

#include <doctest/doctest.h>

#include "config/secrets.hpp"

namespace ftfw::config {
namespace {

TEST_CASE("a diagnostic shows place, line, caret and hint") {
  const Diagnostic one{Severity::error, {2, 5}, "wrong", "write it right"};
  CHECK(render_text(one, "f.toml", "a = 1\nb = 2\n") ==
        "f.toml:2:5: error: wrong\n    b = 2\n        ^\n    hint: write it right\n");
}

TEST_CASE("a diagnostic of the whole file has no line") {
  CHECK(render_text({Severity::warning, {}, "odd", ""}, "f.toml", "a = 1\n") == "f.toml: warning: odd\n");
}

TEST_CASE("tabs before the caret stay tabs and wide letters count once") {
  CHECK(render_text({Severity::error, {1, 4}, "x", ""}, "f", "\t\xc3\xa4\t=\n") ==
        "f:1:4: error: x\n    \t\xc3\xa4\t=\n    \t \t^\n");
}

TEST_CASE("a place behind the end of the line or of the file does not break") {
  CHECK(render_text({Severity::error, {1, 99}, "x", ""}, "f", "ab\r\n") ==
        "f:1:99: error: x\n    ab\n      ^\n");
  CHECK(render_text({Severity::error, {9, 1}, "x", ""}, "f", "ab") == "f:9:1: error: x\n    \n    ^\n");
}

TEST_CASE("a very long line is shown around the caret only") {
  const std::string line(100'000, 'a');
  const std::string shown = render_text({Severity::error, {1, 50'000}, "x", ""}, "f", line);
  CHECK(shown.size() < 500);
  CHECK(shown.find("...a") != std::string::npos);
  CHECK(shown.find("a...") != std::string::npos);
}

TEST_CASE("control characters of the file do not reach the terminal") {
  const std::string shown = render_text({Severity::error, {1, 1}, quoted("\x1b[2J"), ""}, "f", "\x1b[2J\n");
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(quoted(std::string(500, 'a')).size() < 80);
}

TEST_CASE("the json form is one object on one line, absent parts left out") {
  CHECK(render_json({Severity::error, {2, 5}, "a \"b\"\n", "h"}, "f") ==
        "{\"file\":\"f\",\"severity\":\"error\",\"line\":2,\"column\":5,\"text\":\"a "
        "\\\"b\\\"\\n\",\"hint\":\"h\"}\n");
  CHECK(render_json({Severity::warning, {}, "x", ""}, "f") ==
        "{\"file\":\"f\",\"severity\":\"warning\",\"text\":\"x\"}\n");
  CHECK(render_json({Severity::error, {}, "\xff", ""}, "f").find("\xef\xbf\xbd") != std::string::npos);
}

TEST_CASE("more diagnostics than a person reads are counted instead") {
  DiagnosticList list;
  for (std::uint32_t line = 1; line <= kMaxDiagnostics + 7; ++line) list.error({line, 1}, "x");

  const auto shown = list.in_file_order();

  REQUIRE(shown.size() == kMaxDiagnostics + 1);
  CHECK(shown.back().text == "7 more problems, not shown");
  CHECK(list.has_errors());
}

TEST_CASE("every spelling of a password is masked, everything else stays") {
  const auto hidden = [](const std::string& text) {
    const std::string masked = mask_secrets(text);
    CAPTURE(masked);
    return masked.find("geheim") == std::string::npos && masked.size() == text.size();
  };
  CHECK(hidden("password = \"geheim\""));
  CHECK(hidden("\"password\"='geheim'"));
  CHECK(hidden("authentication = { type = \"pass\", password = \"geheim\" }"));
  CHECK(hidden("authentication.password = \"geheim\""));
  CHECK(hidden("authentication = \"geheim\""));
  CHECK(hidden("pasword = \"geheim\""));
  CHECK(hidden("auth_pass = geheim"));
  CHECK(hidden("password = \"unclosed geheim"));
  CHECK(hidden("password = \"with \\\" geheim\" x"));
  CHECK(hidden("password = \"\"\"\ngeheim\n\"\"\""));
  CHECK(hidden("password = [ \"a\",\n\"geheim\" ]"));
  CHECK(mask_secrets("name = \"geheim\"") == "name = \"geheim\"");
  CHECK(mask_secrets("type = \"pass\"\nport = 1") == "type = \"pass\"\nport = 1");
  CHECK(mask_secrets("password =") == "password =");
  CHECK(mask_secrets("password = \"\xc3\xa4\" # x") == "password = *** # x");
}

TEST_CASE("a password behind the caret's line stays masked in a diagnostic") {
  const std::string shown =
      render_text({Severity::error, {2, 5}, "x", ""}, "f", "password = \"\"\"\ngeheim\"\"\" y\n");
  CHECK(shown.find("geheim") == std::string::npos);
}

}  // namespace
}  // namespace ftfw::config
