// Broken and doubtful files beside what an operator must read about them: FILE.toml and FILE.expected,
// compared byte for byte through the render code of --check.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "config/element_file.hpp"
#include "config/load.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kFewestBroken = 50;
constexpr std::size_t kFewestWarned = 5;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> files_of(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(CONFIG_TEST_DIR) + "/" + folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::string rendered(const Loaded& loaded, const std::filesystem::path& file, const std::string& source) {
  std::string text;
  for (const Diagnostic& one : loaded.diagnostics) text += render_text(one, file.filename().string(), source);
  return text;
}

// Element files lie beside the configuration, whatever folder it says.
Loaded load_with_files(const std::filesystem::path& file, const std::string& source) {
  return load(source, [&](const std::string& path) {
    return read_element_file((file.parent_path() / std::filesystem::path(path).filename()).string());
  });
}

TEST_CASE("a broken file gives no configuration and exactly the expected diagnostics") {
  const auto files = files_of("broken");
  CHECK(files.size() >= kFewestBroken);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const std::string source = read(file);
    const Loaded loaded = load_with_files(file, source);
    CHECK_FALSE(loaded.config.has_value());
    CHECK(rendered(loaded, file, source) == read(std::filesystem::path(file).replace_extension(".expected")));
  }
}

TEST_CASE("a doubtful file gives a configuration and exactly the expected warnings") {
  const auto files = files_of("warned");
  CHECK(files.size() >= kFewestWarned);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const std::string source = read(file);
    const Loaded loaded = load_with_files(file, source);
    CHECK(loaded.config.has_value());
    CHECK(rendered(loaded, file, source) == read(std::filesystem::path(file).replace_extension(".expected")));
  }
}

}  // namespace
}  // namespace ftfw::config
