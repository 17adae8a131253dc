#include "appliance/control/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace ftfw {
namespace {

class TextAnswer : public AnswerStream {
 public:
  explicit TextAnswer(std::string text) : text_(std::move(text)) {}
  Result<Progress> next(std::string& out) override {
    out += text_;
    return Progress::finished;
  }

 private:
  std::string text_;
};

}  // namespace

Answer answer_text(std::string text) {
  return std::make_unique<TextAnswer>(std::move(text));
}

std::string describe(const ControlCommands& commands) {
  std::string text;
  for (const ControlCommand& command : commands) {
    const std::string usage = command.name + (command.arguments.empty() ? "" : " " + command.arguments);
    fmt::format_to(std::back_inserter(text), "{}\n    {}\n", usage, command.help);
  }
  return text;
}

Answer dispatch(const ControlCommands& commands, std::string_view request) {
  const std::string_view name = request.substr(0, request.find(' '));
  if (name == "help") return answer_text(describe(commands));
  const auto found = std::ranges::find(commands, name, &ControlCommand::name);
  if (found != commands.end()) return found->handle(Words(request.substr(name.size())));
  std::string known = "help";
  for (const ControlCommand& command : commands) known += ", " + command.name;
  return fail(Blame::configuration, fmt::format("unknown request '{}'; known: {}", name, known));
}

}  // namespace ftfw
