#include "config/secrets.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/names.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kLongestMisspelling = 2;

bool continues_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

bool names_a_secret(std::string_view key) {
  std::string lower(key);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view part : {"pass", "secret", "psk", "pwd", "auth"}) {
    if (lower.find(part) != std::string::npos) return true;
  }
  return edit_distance(lower, "password") <= kLongestMisspelling;
}

// The bare or quoted word that ends right before `end`, blanks skipped.
std::string_view word_before(std::string_view text, std::size_t end) {
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  if (end > 0 && (text[end - 1] == '"' || text[end - 1] == '\'')) --end;
  std::size_t begin = end;
  while (begin > 0 && is_word(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

// Where a quoted value ends: behind its closing delimiter, or at the end of the line (of the text for the
// delimiters of several lines) if it is not closed.
std::size_t end_of_quoted(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const bool long_form = text.substr(begin, 3) == std::string(3, quote);
  const std::string delimiter(long_form ? 3 : 1, quote);
  for (std::size_t i = begin + delimiter.size(); i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (text[i] == '\n' && !long_form) {
      return i;
    } else if (text.substr(i, delimiter.size()) == delimiter) {
      return i + delimiter.size();
    }
  }
  return text.size();
}

std::size_t end_of_value(std::string_view text, std::size_t begin) {
  if (text[begin] == '"' || text[begin] == '\'') return end_of_quoted(text, begin);
  const std::string_view stops = text[begin] == '[' ? "]" : ",}#\n";
  return std::min(text.find_first_of(stops, begin), text.size());
}

}  // namespace

std::string mask_secrets(std::string_view source) {
  std::string masked;
  masked.reserve(source.size());
  std::size_t done = 0;
  std::size_t position = 0;
  while ((position = source.find('=', position)) != std::string_view::npos) {
    const std::string_view key = word_before(source, position);
    ++position;
    if (!names_a_secret(key)) continue;
    const std::size_t begin = source.find_first_not_of(" \t", position);
    // The keys of an inline table are looked at one by one.
    if (begin == std::string_view::npos || source[begin] == '{' || source[begin] == '\n') continue;
    const std::size_t end = end_of_value(source, begin);
    masked += source.substr(done, begin - done);
    for (const char c : source.substr(begin, end - begin)) {
      if (c == '\n' || c == '\r')
        masked += c;
      else if (!continues_code_point(c))
        masked += '*';
    }
    done = position = end;
  }
  masked += source.substr(done);
  return masked;
}

}  // namespace ftfw::config
