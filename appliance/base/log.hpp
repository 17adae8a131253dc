// Structured log to standard error, where the journal or a person reads it. Libraries and engines never log;
// they return errors and outputs, and the appliance logs those. Never called from the vrrp thread: a slow
// journal must not delay an advertisement.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace ftfw::log {

enum class Level { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };
enum class Format {
  text,     // "2026-11-02T10:14:03.123Z notice: message"; what a person sees in a terminal
  journal,  // "<5>message": systemd reads the level from the prefix and has its own clock
  json,     // one object a line: time, level, message and the fields
};

// Fields appear only in the json format; the message is complete by itself.
using Field = std::pair<std::string_view, std::string>;

// Before the threads start.
void configure(Format format, Level most_detailed);
// Called with each line that is not too detailed, whether it can be written or not. By any thread; it must
// not log. Before the threads start and after they ended.
using Listener = std::function<void(Level, std::string_view message, std::initializer_list<Field> fields)>;
void set_listener(Listener listener);

std::string_view name_of(Level level);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

inline void error(std::string_view message) {
  write(Level::error, message);
}
inline void warning(std::string_view message) {
  write(Level::warning, message);
}
inline void notice(std::string_view message) {
  write(Level::notice, message);
}
inline void info(std::string_view message) {
  write(Level::info, message);
}
inline void debug(std::string_view message) {
  write(Level::debug, message);
}

}  // namespace ftfw::log
