#include "appliance/check_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "appliance/machine.hpp"
#include "appliance/policy_check.hpp"
#include "config/element_file.hpp"
#include "config/key_file.hpp"
#include "config/load.hpp"
#include "config/node_choice.hpp"
#include "config/source_file.hpp"

namespace ftfw {
namespace {

using config::Diagnostic;
using config::DiagnosticList;
using config::Severity;

void check_key_file(const std::string& path, const config::Location& where, DiagnosticList& list) {
  const auto key = config::read_key_file(path);
  if (key) return;
  if (key.error().blame == Blame::configuration) {
    list.error(where, key.error().text);
    return;
  }
  const bool absent = key.error().code == ENOENT;
  list.warning(where, key.error().text,
               absent ? fmt::format("make one with: ftfw-appliance --generate-key {}", path) : "");
}

void check_key_files(const config::Replication& replication, DiagnosticList& list) {
  if (replication.insecure) return;
  check_key_file(replication.key_file, replication.key_file_where, list);
  if (!replication.key_file_next.empty())
    check_key_file(replication.key_file_next, replication.key_file_next_where, list);
}

void check_machine(const config::Config& config, const Options& options, DiagnosticList& list) {
  const Result<Machine> machine = read_machine();
  if (!machine) {
    list.warning({}, machine.error().text);
    check_policy(config, {}, list);
    return;
  }
  check_policy(config, *machine, list);
  const auto node = config::recognise_node(config, machine->addresses, options.node);
  if (!node) list.warning({}, node.error().text);
  for (const config::InterfaceUse& use : missing_interfaces(config, *machine))
    list.warning(use.where, describe_missing(use));
}

std::vector<Diagnostic> judge(const config::SourceFile& file, const Options& options) {
  config::Loaded loaded = config::load(file.text, config::read_element_file);
  if (!loaded.config) return loaded.diagnostics;
  DiagnosticList list;
  for (Diagnostic& one : loaded.diagnostics)
    list.warning(one.where, std::move(one.text), std::move(one.hint));
  if (file.others_can_read && loaded.config->vrrp.pass) {
    list.warning(loaded.config->vrrp.pass_where, "everyone on this machine can read this password",
                 fmt::format("chmod o-r {}", options.config_path));
  }
  check_key_files(loaded.config->replication, list);
  check_machine(*loaded.config, options, list);
  return list.in_file_order();
}

std::string counted(std::ptrdiff_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string summary(const std::string& file, std::ptrdiff_t errors, std::ptrdiff_t warnings,
                    ReportFormat format) {
  if (format == ReportFormat::json) {
    nlohmann::ordered_json object;
    object["file"] = file;
    object["summary"] = errors > 0 ? "invalid" : "ok";
    object["errors"] = errors;
    object["warnings"] = warnings;
    return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  std::string text =
      errors > 0 ? fmt::format("{}: invalid, {}", file, counted(errors, "error")) : file + ": ok";
  if (warnings > 0) text += ", " + counted(warnings, "warning");
  return text + "\n";
}

}  // namespace

int run_check(const Options& options, std::ostream& out) {
  const Result<config::SourceFile> file = config::read_source_file(options.config_path);
  std::vector<Diagnostic> diagnostics;
  if (file) {
    diagnostics = judge(*file, options);
  } else {
    diagnostics.push_back(
        {Severity::error, {}, file.error().text, "another file is named with --config FILE"});
  }
  for (const Diagnostic& one : diagnostics) {
    out << (options.report_format == ReportFormat::json
                ? config::render_json(one, options.config_path)
                : config::render_text(one, options.config_path, file ? file->text : std::string()));
  }
  const std::ptrdiff_t errors = std::ranges::count(diagnostics, Severity::error, &Diagnostic::severity);
  const std::ptrdiff_t warnings = std::ranges::count(diagnostics, Severity::warning, &Diagnostic::severity);
  out << summary(options.config_path, errors, warnings, options.report_format);
  if (errors > 0) return exit_status(ExitCode::invalid_configuration);
  if (warnings > 0 && options.strict) return exit_status(ExitCode::valid_with_warnings);
  return exit_status(ExitCode::ok);
}

}  // namespace ftfw
