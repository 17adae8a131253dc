#include "appliance/base/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <utility>

namespace ftfw::log {
namespace {

struct Settings {
  Format format = Format::text;
  Level most_detailed = Level::info;
  Listener listener;
};

Settings& settings() {
  static Settings instance;
  return instance;
}

std::atomic<std::uint64_t>& left_out() {
  static std::atomic<std::uint64_t> count;
  return count;
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), milliseconds);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

void configure(Format format, Level most_detailed) {
  settings().format = format;
  settings().most_detailed = most_detailed;
}

void set_listener(Listener listener) {
  settings().listener = std::move(listener);
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::error:
      return "error";
    case Level::warning:
      return "warning";
    case Level::notice:
      return "notice";
    case Level::info:
      return "info";
    case Level::debug:
      return "debug";
  }
  return "?";
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level > settings().most_detailed) return;
  if (settings().listener) settings().listener(level, message, fields);
  std::string line;
  switch (settings().format) {
    case Format::text:
      line = fmt::format("{} {}: {}\n", utc_now(), name_of(level), message);
      break;
    case Format::journal:
      line = fmt::format("<{}>{}\n", static_cast<int>(level), message);
      break;
    case Format::json:
      line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":", utc_now(), name_of(level));
      append_json_string(line, message);
      for (const auto& [key, value] : fields) {
        line += ',';
        append_json_string(line, key);
        line += ':';
        append_json_string(line, value);
      }
      line += "}\n";
      break;
  }
  // One write a line, so lines of two threads do not mix. A journal or terminal that stands still must not
  // hold up a takeover: the line is left out, counted, and the count is told when there is room again.
  pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
    ++left_out();
    return;
  }
  if (const std::uint64_t count = left_out().exchange(0); count > 0)
    line += fmt::format("{} log lines were left out before this one\n", count);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ftfw::log
