#include "appliance/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "config/names.hpp"

namespace ftfw {
namespace {

constexpr std::string_view kIntroduction =
    "ftfw-appliance: two machines, one fault-tolerant firewall.\n"
    "Runs in the foreground until SIGTERM (hands over to the peer, then ends).\n";

constexpr std::string_view kExitCodes =
    "Exit codes: 0 ok, 1 wrong use, 2 configuration invalid, 3 valid with warnings (--strict), 4 refused by "
    "the "
    "system.\n";

constexpr std::string_view kUsage =
    "Usage: ftfw-appliance [--config FILE] [--role auto|primary|backup] [--node NAME] [--control-socket "
    "PATH]\n"
    "                      [--state-dir DIR] [--log-format text|json]\n"
    "       ftfw-appliance --check [--strict] [--config FILE] [--node NAME] [--format text|json]\n"
    "       ftfw-appliance --print-ruleset [--config FILE] [--node NAME]\n"
    "       ftfw-appliance --explain PACKET [--config FILE]\n"
    "       ftfw-appliance --load-guard [--config FILE]\n"
    "       ftfw-appliance --generate-key FILE\n"
    "       ftfw-appliance --version | --help\n";

constexpr std::string_view kOptions =
    "\n"
    "Configuration:\n"
    "  --config FILE          the configuration (/etc/ftfw/appliance.toml)\n"
    "  --node NAME            which [node.NAME] this machine is; needed only where its own addresses\n"
    "                         match none or several of them\n"
    "\n"
    "Running:\n"
    "  --role ROLE            auto: listen, then elect (the default)\n"
    "                         primary: do not wait at the start, then elect as usual\n"
    "                         backup: never become primary, only hold the flows\n"
    "  --control-socket PATH  where ftfwctl reaches this process (/run/ftfw/control.sock)\n"
    "  --state-dir DIR        what outlives a restart (/var/lib/ftfw)\n"
    "  --log-format FORMAT    text or json on standard error (the journal's own form under systemd)\n"
    "\n"
    "Instead of running:\n"
    "  --check                judge the configuration, print every problem, change nothing\n"
    "    --strict             warnings count as well: exit code 3\n"
    "    --format FORMAT      text, or json: one object a line\n"
    "  --print-ruleset        print the tables that the primary loads, as nft reads them\n"
    "  --explain PACKET       say which rule decides about a packet, and which line of the file made it:\n"
    "                         \"tcp 192.168.2.3 > 192.168.0.3:443 in eth1\"\n"
    "  --load-guard           put up the guard alone, before the network is there: nothing is forwarded\n"
    "  --generate-key FILE    write a new replication key to FILE, readable by its owner only\n"
    "  --version, --help\n"
    "\n";

constexpr std::array<std::string_view, 15> kOptionNames{
    "--config",    "--format",     "--node",         "--role",    "--control-socket",
    "--state-dir", "--log-format", "--check",        "--strict",  "--print-ruleset",
    "--explain",   "--load-guard", "--generate-key", "--version", "--help"};

// A second --config is an error: which one would count?
void add_text(CLI::App& app, const std::string& name, std::string& target) {
  app.add_option(name, target)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)
      ->check([](const std::string& text) {
        return text.empty() ? std::string("it must not be empty") : std::string();
      });
}

template <typename Value>
void add_choice(CLI::App& app, const std::string& name, Value& target,
                const std::map<std::string, Value>& choices) {
  app.add_option_function<std::string>(name, [&target, choices, name](const std::string& word) {
    const auto found = choices.find(word);
    if (found == choices.end()) {
      std::string words;
      for (const auto& [known, value] : choices) words += (words.empty() ? "" : ", ") + known;
      throw CLI::ValidationError(name, fmt::format("'{}' is none of {}", word, words));
    }
    target = found->second;
  });
}

EarlyExit wrong_use(std::string_view text) {
  return {ExitCode::usage, fmt::format("ftfw-appliance: {}\nTry 'ftfw-appliance --help'.\n", text)};
}

std::string unknown_arguments(const std::vector<std::string>& arguments) {
  const auto option =
      std::ranges::find_if(arguments, [](const std::string& one) { return one.starts_with('-'); });
  if (option == arguments.end()) return fmt::format("unexpected argument '{}'", arguments.front());
  const auto meant = config::nearest(*option, kOptionNames);
  return fmt::format("unknown option '{}'{}", *option,
                     meant ? fmt::format("; did you mean {}?", *meant) : "");
}

// CLI11 says "--config: 1 required TEXT missing"; the option is what helps.
std::string wrong_value_count(std::string_view text) {
  return fmt::format("{} takes one value, and stands at most once", text.substr(0, text.find(':')));
}

}  // namespace

std::variant<Options, EarlyExit> parse_command_line(int argc, const char* const* argv) {
  Options options;
  log::Format log_format = log::Format::text;
  bool check = false;
  bool print_ruleset = false;
  bool load_guard = false;
  bool version = false;
  bool help = false;

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  add_text(app, "--config", options.config_path);
  add_text(app, "--node", options.node);
  add_text(app, "--control-socket", options.control_socket);
  add_text(app, "--state-dir", options.state_directory);
  add_text(app, "--generate-key", options.key_path);
  add_text(app, "--explain", options.packet);
  add_choice<StartRole>(
      app, "--role", options.role,
      {{"auto", StartRole::automatic}, {"primary", StartRole::primary}, {"backup", StartRole::backup}});
  add_choice<log::Format>(app, "--log-format", log_format,
                          {{"text", log::Format::text}, {"json", log::Format::json}});
  add_choice<ReportFormat>(app, "--format", options.report_format,
                           {{"text", ReportFormat::text}, {"json", ReportFormat::json}});
  app.add_flag("--check", check);
  app.add_flag("--strict", options.strict);
  app.add_flag("--print-ruleset", print_ruleset);
  app.add_flag("--load-guard", load_guard);
  app.add_flag("--version", version);
  app.add_flag("--help,-h", help);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ArgumentMismatch& error) {
    return wrong_use(wrong_value_count(error.what()));
  } catch (const CLI::ParseError& error) {
    return wrong_use(error.what());
  }
  if (const auto rest = app.remaining(); !rest.empty()) return wrong_use(unknown_arguments(rest));

  if (help)
    return EarlyExit{ExitCode::ok, fmt::format("{}\n{}{}{}", kIntroduction, kUsage, kOptions, kExitCodes)};
  if (version) return EarlyExit{ExitCode::ok, "ftfw-appliance " FTFW_VERSION "\n"};
  const bool generate_key = !options.key_path.empty();
  const bool explain = !options.packet.empty();
  if (int{check} + int{print_ruleset} + int{generate_key} + int{explain} + int{load_guard} > 1) {
    return wrong_use(
        "--check, --print-ruleset, --explain, --load-guard and --generate-key exclude each other");
  }
  if (!check && options.strict) return wrong_use("--strict goes with --check");
  if (!check && app.count("--format") > 0)
    return wrong_use("--format goes with --check; a running process has --log-format");
  if (check) options.command = Command::check;
  if (print_ruleset) options.command = Command::print_ruleset;
  if (explain) options.command = Command::explain;
  if (load_guard) options.command = Command::load_guard;
  if (generate_key) options.command = Command::generate_key;
  if (app.count("--log-format") > 0) options.log_format = log_format;
  return options;
}

}  // namespace ftfw
