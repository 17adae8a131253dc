// Any bytes as a configuration file: it is read or refused, and every diagnostic can be shown.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/interface_use.hpp"
#include "config/load.hpp"
#include "config/source_file.hpp"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ftfw::config;
  if (size > kMaxSourceBytes) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Loaded loaded = load(text);
  bool errors = false;
  for (const Diagnostic& one : loaded.diagnostics) {
    errors |= one.severity == Severity::error;
    demand(!one.text.empty());
    demand(render_text(one, "fuzz.toml", text).ends_with('\n'));
    demand(render_json(one, "fuzz.toml").ends_with("}\n"));
  }
  demand(loaded.config.has_value() != errors);
  if (!loaded.config) return 0;
  demand(loaded.config->nodes.size() >= 2 && loaded.config->nodes.size() <= 8 &&
         !loaded.config->group.routers.empty());
  for (const VirtualRouter& router : loaded.config->group.routers) {
    demand(router.id != 0 && !router.addresses.empty());
  }
  for (const InterfaceUse& use : interfaces_used(*loaded.config))
    demand(!use.name.empty() && use.name.size() < 16);
  return 0;
}
