#include "appliance/check_command.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "appliance/key_command.hpp"
#include "appliance/machine.hpp"
#include "config/load.hpp"
#include "tests/unit/config/temporary_directory.hpp"

namespace ftfw {
namespace {

using testing::TemporaryDirectory;

// The loopback interface is on every machine that runs this test.
std::string fitting(const std::string& key_file) {
  return "schema = 1\n"
         "[node.a]\npriority = 1\nreplication_address = \"192.0.2.1\"\n"
         "[node.b]\npriority = 2\nreplication_address = \"192.0.2.2\"\n"
         "[[sync_group]]\n[[sync_group.virtual_router]]\ninterface = \"lo\"\nid = 1\naddresses = "
         "[\"192.0.2.9\"]\n"
         "[replication]\ninterface = \"lo\"\n" +
         key_file + "\n[firewall]\ninside = \"lo\"\noutside = \"no-such-if0\"\n";
}

std::string reference() {
  std::ifstream file(REFERENCE_CONFIG, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Outcome {
  int code = -1;
  std::string text;
};

Outcome check(const std::string& path, bool strict = false, ReportFormat format = ReportFormat::text) {
  std::ostringstream out;
  const int code = run_check(
      {.command = Command::check, .config_path = path, .strict = strict, .report_format = format}, out);
  return {code, out.str()};
}

TEST_CASE("the reference file passes on any machine: what the machine lacks is a warning") {
  const TemporaryDirectory directory;
  const Outcome outcome = check(directory.write("appliance.toml", reference(), 0600));
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("error") == std::string::npos);
  CHECK(outcome.text.find("appliance.toml: ok") != std::string::npos);
}

TEST_CASE("with --strict a warning is exit code 3") {
  const TemporaryDirectory directory;
  CHECK(check(directory.write("appliance.toml", reference(), 0600), true).code == 3);
}

TEST_CASE("a password in a file that everyone can read is a warning, and it is not shown") {
  const TemporaryDirectory directory;
  const std::string text = reference();
  const Outcome open = check(directory.write("open.toml", text, 0644));
  CHECK(open.code == 0);
  CHECK(open.text.find("warning: everyone on this machine can read this password") != std::string::npos);
  CHECK(open.text.find("papas") == std::string::npos);
  const Outcome closed = check(directory.write("closed.toml", text, 0640));
  CHECK(closed.text.find("password") == std::string::npos);
}

TEST_CASE("a policy that would translate the pair's advertisements is an error with its line") {
  const TemporaryDirectory directory;
  std::string text = reference();
  const std::string narrow = "source = \"192.168.2.3\"";
  REQUIRE(text.find(narrow) != std::string::npos);
  text.replace(text.find(narrow), narrow.size(), "source = \"any\"");
  const Outcome outcome = check(directory.write("appliance.toml", text, 0600));
  CHECK(outcome.code == 2);
  CHECK(outcome.text.find("error: this translates the advertisements of ") != std::string::npos);
  CHECK(outcome.text.find("[[firewall.snat]]") != std::string::npos);
}

TEST_CASE("a missing interface is one warning and a missing key another") {
  const TemporaryDirectory directory;
  const std::string path =
      directory.write("c.toml", fitting("key_file = \"" + directory.file("key") + "\""), 0600);
  const Outcome outcome = check(path);
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("this machine has no interface no-such-if0 (for the outside)") !=
        std::string::npos);
  CHECK(outcome.text.find("hint: make one with: ftfw-appliance --generate-key " + directory.file("key")) !=
        std::string::npos);
  CHECK(outcome.text.find("no interface lo ") == std::string::npos);
}

// Names an interface for each reason that there is.
config::Config config_of_many_interfaces() {
  std::string text = fitting("insecure = true");
  text.insert(text.find("[replication]"),
              "[[sync_group.track_interface]]\ninterface = \"no-such-if0\"\n"
              "[[sync_group.track_interface]]\ninterface = \"tracked0\"\n"
              "[[sync_group.route]]\nto = \"10.0.0.0/8\"\ninterface = \"routed0\"\n"
              "[[sync_group.route]]\nto = \"10.0.0.0/9\"\ninterface = \"tracked0\"\n");
  const config::Loaded loaded = config::load(text);
  REQUIRE(loaded.config.has_value());
  return *loaded.config;
}

TEST_CASE("a start does without an interface that is only tracked or routed, and without no other") {
  std::vector<std::string> essential;
  std::vector<std::string> others;

  const Machine machine{.interfaces = {"lo"}, .addresses = {}};
  for (const config::InterfaceUse& use : missing_interfaces(config_of_many_interfaces(), machine))
    (use.essential ? essential : others).push_back(use.name + " for " + use.used_for);

  CHECK(essential == std::vector<std::string>{"no-such-if0 for the outside"});
  CHECK(others == std::vector<std::string>{"tracked0 for tracking", "routed0 for the route to 10.0.0.0/8"});
}

TEST_CASE("--check says which missing interface keeps the appliance from starting") {
  const TemporaryDirectory directory;
  const Outcome outcome = check(directory.write(
      "c.toml", fitting("insecure = true") + "[[sync_group.track_interface]]\ninterface = \"no-such-if1\"\n",
      0600));
  CHECK(outcome.code == 0);
  CHECK(
      outcome.text.find("warning: this machine has no interface no-such-if0 (for the outside): the appliance "
                        "will not start without it\n") != std::string::npos);
  CHECK(outcome.text.find("warning: this machine has no interface no-such-if1 (for tracking): it counts as "
                          "down\n") != std::string::npos);
}

TEST_CASE("a key file that is unsafe or no key is an error even in --check") {
  const TemporaryDirectory directory;
  const std::string path =
      directory.write("c.toml", fitting("key_file = \"" + directory.file("key") + "\""), 0600);
  directory.write("key", std::string(64, '0'), 0644);
  CHECK(check(path).code == 2);
  CHECK(check(path).text.find("chmod 600") != std::string::npos);
  directory.write("key", std::string(62, '0'), 0600);
  CHECK(check(path).code == 2);
  directory.write("key", std::string(64, '0'), 0600);
  CHECK(check(path).code == 0);
}

TEST_CASE("the next key file is judged like the key file") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("c.toml",
                                           fitting("key_file = \"" + directory.file("key") +
                                                   "\"\nkey_file_next = \"" + directory.file("next") + "\""),
                                           0600);
  directory.write("key", std::string(64, '0'), 0600);
  CHECK(check(path).code == 0);
  CHECK(check(path).text.contains("hint: make one with: ftfw-appliance --generate-key " +
                                  directory.file("next")));
  directory.write("next", std::string(64, '1'), 0644);
  CHECK(check(path).code == 2);
  CHECK(check(path).text.contains("chmod 600 " + directory.file("next")));
  directory.write("next", std::string(64, '1'), 0600);
  CHECK_FALSE(check(path).text.contains("next"));
}

TEST_CASE("a broken file is exit code 2 and a counted summary") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("c.toml", "schema = 1\nx = 1\n", 0600);
  const Outcome outcome = check(path, true);
  CHECK(outcome.code == 2);
  CHECK(outcome.text.ends_with(path + ": invalid, 5 errors\n"));
}

TEST_CASE("a file that cannot be read is exit code 2 and says how to name another") {
  const TemporaryDirectory directory;
  const Outcome outcome = check(directory.file("none"));
  CHECK(outcome.code == 2);
  CHECK(outcome.text.find("cannot open the configuration: No such file or directory") != std::string::npos);
  CHECK(outcome.text.find("--config FILE") != std::string::npos);
}

TEST_CASE("in json every line is an object and the last one sums up") {
  const TemporaryDirectory directory;
  const Outcome outcome =
      check(directory.write("c.toml", "schema = 1\nx = 1\n", 0600), false, ReportFormat::json);
  std::istringstream lines(outcome.text);
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  REQUIRE(objects.size() == 6);
  CHECK(objects.front().at("severity") == "error");
  CHECK(objects.back().at("summary") == "invalid");
  CHECK(objects.back().at("errors") == 5);
}

TEST_CASE("a generated key passes the check, and a second one is refused") {
  const TemporaryDirectory directory;
  const std::string key = directory.file("key");
  std::ostringstream out;
  std::ostringstream error;
  const Options options{.command = Command::generate_key, .key_path = key};
  CHECK(run_generate_key(options, out, error) == 0);
  CHECK(error.str().empty());
  CHECK(check(directory.write("c.toml", fitting("key_file = \"" + key + "\""), 0600)).text.find("key") ==
        std::string::npos);
  CHECK(run_generate_key(options, out, error) == 4);
  CHECK(error.str().find("never overwritten") != std::string::npos);
}

TEST_CASE("the machine has a loopback interface") {
  const Result<Machine> machine = read_machine();
  REQUIRE(machine.has_value());
  CHECK(std::ranges::find(machine->interfaces, "lo") != machine->interfaces.end());
}

}  // namespace
}  // namespace ftfw
