#include "appliance/command_line.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

namespace ftfw {
namespace {

std::variant<Options, EarlyExit> parse(std::initializer_list<const char*> arguments) {
  std::vector<const char*> argv{"ftfw-appliance"};
  argv.insert(argv.end(), arguments);
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

Options options(std::initializer_list<const char*> arguments) {
  const auto parsed = parse(arguments);
  REQUIRE(std::holds_alternative<Options>(parsed));
  return std::get<Options>(parsed);
}

std::string refused(std::initializer_list<const char*> arguments) {
  const auto parsed = parse(arguments);
  REQUIRE(std::holds_alternative<EarlyExit>(parsed));
  CHECK(std::get<EarlyExit>(parsed).code == ExitCode::usage);
  return std::get<EarlyExit>(parsed).text;
}

TEST_CASE("without arguments it runs with the defaults of the contract") {
  const Options plain = options({});
  CHECK(plain.command == Command::run);
  CHECK(plain.config_path == "/etc/ftfw/appliance.toml");
  CHECK(plain.control_socket == "/run/ftfw/control.sock");
  CHECK(plain.state_directory == "/var/lib/ftfw");
  CHECK(plain.role == StartRole::automatic);
  CHECK(plain.node.empty());
  CHECK_FALSE(plain.log_format.has_value());
}

TEST_CASE("every option of running is read") {
  const Options all = options({"--config", "c", "--role", "backup", "--node=fw-1", "--control-socket", "s",
                               "--state-dir", "d", "--log-format", "json"});
  CHECK(all.config_path == "c");
  CHECK(all.role == StartRole::backup);
  CHECK(all.node == "fw-1");
  CHECK(all.control_socket == "s");
  CHECK(all.state_directory == "d");
  CHECK(all.log_format == log::Format::json);
  CHECK(options({"--role", "primary"}).role == StartRole::primary);
  CHECK(options({"--role", "auto"}).role == StartRole::automatic);
}

TEST_CASE("the other commands are read with their options") {
  const Options explain = options({"--explain", "udp 10.0.0.1 > 10.0.0.2:53 in eth1", "--config", "c"});
  CHECK(explain.command == Command::explain);
  CHECK(explain.packet == "udp 10.0.0.1 > 10.0.0.2:53 in eth1");
  CHECK(options({"--load-guard", "--config", "c"}).command == Command::load_guard);
  const Options check = options({"--check", "--strict", "--format", "json", "--config", "c"});
  CHECK(check.command == Command::check);
  CHECK(check.strict);
  CHECK(check.report_format == ReportFormat::json);
  CHECK(options({"--print-ruleset", "--node", "n"}).command == Command::print_ruleset);
  const Options key = options({"--generate-key", "k"});
  CHECK(key.command == Command::generate_key);
  CHECK(key.key_path == "k");
}

TEST_CASE("help and version end at once without an error") {
  const auto help = std::get<EarlyExit>(parse({"--help"}));
  CHECK(help.code == ExitCode::ok);
  for (const char* option :
       {"--config", "--role", "--node", "--control-socket", "--state-dir", "--log-format", "--check",
        "--strict", "--format", "--print-ruleset", "--generate-key", "--version", "--help"}) {
    CHECK_MESSAGE(help.text.find(option) != std::string::npos, option);
  }
  const auto version = std::get<EarlyExit>(parse({"--version"}));
  CHECK(version.code == ExitCode::ok);
  CHECK(version.text.starts_with("ftfw-appliance "));
}

TEST_CASE("a wrong use is one sentence and a way to help") {
  CHECK(refused({"--rol", "primary"}) ==
        "ftfw-appliance: unknown option '--rol'; did you mean --role?\nTry 'ftfw-appliance --help'.\n");
  CHECK(refused({"start"}).starts_with("ftfw-appliance: unexpected argument 'start'\n"));
  CHECK(refused({"--role", "master"})
            .starts_with("ftfw-appliance: --role: 'master' is none of auto, backup, primary\n"));
  CHECK(refused({"--config"})
            .starts_with("ftfw-appliance: --config takes one value, and stands at most once\n"));
  CHECK(refused({"--config", "a", "--config", "b"}).starts_with("ftfw-appliance: --config takes one value"));
  refused({"--config", ""});
  refused({"--check", "--print-ruleset"});
  refused({"--check", "--generate-key", "k"});
  refused({"--strict"});
  refused({"--format", "json"});
  refused({"--check", "--format", "xml"});
}

}  // namespace
}  // namespace ftfw
