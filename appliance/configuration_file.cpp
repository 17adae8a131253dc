#include "appliance/configuration_file.hpp"

#include <utility>

#include "config/element_file.hpp"
#include "config/load.hpp"
#include "config/secrets.hpp"
#include "config/source_file.hpp"

namespace ftfw {

std::optional<ConfigurationFile> load_configuration(const Options& options, std::ostream& err) {
  const auto file = config::read_source_file(options.config_path);
  if (!file) {
    err << "ftfw-appliance: " << file.error().text << '\n';
    return std::nullopt;
  }
  config::Loaded loaded = config::load(file->text, config::read_element_file);
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    err << config::render_text(diagnostic, options.config_path, file->text);
  }
  if (!loaded.config) return std::nullopt;
  return ConfigurationFile{*std::move(loaded.config), config::mask_secrets(file->text)};
}

}  // namespace ftfw
