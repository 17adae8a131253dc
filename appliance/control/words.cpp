#include "appliance/control/words.hpp"

#include <algorithm>
#include <ranges>

namespace ftfw {

Words::Words(std::string_view line) {
  for (const auto word : std::views::split(line, ' ')) {
    if (!word.empty()) words_.emplace_back(word.begin(), word.end());
  }
}

bool Words::take_flag(std::string_view flag) {
  return std::erase(words_, flag) > 0;
}

std::optional<std::string> Words::take_value(std::string_view name) {
  const auto found = std::ranges::find(words_, name);
  if (found == words_.end() || found + 1 == words_.end()) return std::nullopt;
  std::string value = std::move(*(found + 1));
  words_.erase(found, found + 2);
  return value;
}

std::optional<std::string> Words::take_word() {
  const auto found = std::ranges::find_if(words_, [](const auto& word) { return !word.starts_with("--"); });
  if (found == words_.end()) return std::nullopt;
  std::string word = std::move(*found);
  words_.erase(found);
  return word;
}

Status Words::finish() const {
  if (words_.empty()) return {};
  return fail(Blame::configuration, "'" + words_.front() + "' is not understood here, or lacks its value");
}

}  // namespace ftfw
