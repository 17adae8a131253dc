// What may change while the appliance runs, key by key.
#include "appliance/live_change.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "config/load.hpp"

using namespace ftfw;

namespace {

std::string reference_text() {
  std::ostringstream text;
  text << std::ifstream(REFERENCE_CONFIG).rdbuf();
  return text.str();
}

config::Config config_of(const std::string& text) {
  const config::Loaded loaded = config::load(text);
  for (const config::Diagnostic& one : loaded.diagnostics) CAPTURE(one.text);
  REQUIRE(loaded.config);
  return *loaded.config;
}

struct Edit {
  const char* from;
  const char* to;
};

std::string edited(std::string text, const Edit& edit) {
  const std::size_t at = text.find(edit.from);
  CAPTURE(edit.from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, std::string(edit.from).size(), edit.to);
}

std::vector<config::Diagnostic> frozen(const std::string& from, const std::string& to) {
  config::DiagnosticList list;
  check_live(config_of(from), config_of(to), to, list);
  return list.in_file_order();
}

}  // namespace

TEST_CASE("the same values, written otherwise, are no change") {
  const std::string text = reference_text();
  CHECK(frozen(text, text).empty());
  CHECK(frozen(text, edited(text, {"[vrrp]\n", "[vrrp]\npreempt = true\nsync_wait = \"1min\"\n"})).empty());
  CHECK(frozen(text, "# a comment more\n" + text).empty());
}

TEST_CASE("the policy may change, and what remains at the end") {
  const std::string text = reference_text();
  for (const Edit& edit : {Edit{"ports = [53]", "ports = [53, 123]"},
                           Edit{"forward_policy = \"drop\"", "forward_policy = \"accept\""},
                           Edit{"[firewall]\n", "[firewall]\nrepair = false\n"},
                           Edit{"schema = 1\n", "schema = 1\non_exit = \"open\"\n"},
                           Edit{"[[firewall.snat]]", "[firewall.input]\n[[firewall.snat]]"}})
    CHECK(frozen(text, edited(text, edit)).empty());
}

TEST_CASE("each key that cannot change is named at its place, all at once") {
  const std::string text = reference_text();
  std::string changed = text;
  for (const Edit& edit :
       {Edit{"port = 3780", "port = 3781"}, Edit{"expectations = true", "expectations = false"},
        Edit{"version = 2 ", "version = 2 \nstartup_delay = \"1s\""},
        Edit{"papas_con_tomate", "tomates_con_papas"}})
    changed = edited(changed, edit);
  const auto found = frozen(text, changed);
  REQUIRE(found.size() == 3);
  CHECK(found[0].text == "'authentication' of [vrrp] cannot change while the appliance runs");
  CHECK(found[1].text == "'port' of [replication] cannot change while the appliance runs");
  CHECK(found[2].text == "'expectations' of [replication] cannot change while the appliance runs");
  for (const config::Diagnostic& one : found) {
    CHECK(one.where.column == 1);
    CHECK(one.hint.contains("restart to change it"));
    CHECK(one.severity == config::Severity::error);
  }
  CHECK(found[1].where.line + 4 == found[2].where.line);
}

TEST_CASE("a key that goes, so that its default holds, is named at its section; nodes cannot come or go") {
  const std::string text = reference_text();
  const auto gone = frozen(text, edited(text, {"expectations = true\n", "minimum_age = \"1s\"\n"}));
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].text.contains("'minimum_age'"));
  const auto renamed = frozen(text, edited(text, {"[node.fw-2]", "[node.fw-9]"}));
  REQUIRE(renamed.size() == 1);
  CHECK(renamed[0].text == "which nodes there are cannot change while the appliance runs");
}
