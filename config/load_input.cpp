// [firewall.input].
#include <array>

#include "config/firewall_sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::array<std::string_view, 3> kReversePaths{"off", "loose", "strict"};
constexpr std::array<ReversePath, 3> kReversePathValues{ReversePath::off, ReversePath::loose,
                                                        ReversePath::strict};

void read_ping(Section& section, Input& input) {
  const auto value = section.value({"ping", "\"10/second\", or \"off\""});
  if (!value) return;
  if (const auto text = value->node.as_string(); text != nullptr && text->get() == "off") {
    input.ping.reset();
    return;
  }
  input.ping = read_limit(*value);
  if (input.ping && input.ping->over)
    value->error("this answers only what is too much", "leave out \"over\"");
}

void read_syn_limit(Section& section, Input& input) {
  const auto value = section.value({"syn_limit", "\"100/second burst 50\""});
  if (value) input.syn_limit = read_limit(*value);
  if (!input.syn_limit) return;
  if (input.syn_limit->over)
    value->error("\"over\" goes without saying here: what exceeds the rate is dropped", "leave it out");
  input.syn_limit->over = true;
}

}  // namespace

std::optional<Input> read_input(Section& firewall) {
  auto section = firewall.table({"input", "for example: [firewall.input] with ping = \"10/second\""},
                                "[firewall.input]");
  if (!section) return std::nullopt;
  Input input{.where = section->where()};
  if (const auto drop = section->flag({"drop_invalid", "true"})) input.drop_invalid = drop->value;
  if (const auto path = section->choice({"reverse_path", "\"strict\""}, kReversePaths)) {
    input.reverse_path = kReversePathValues.at(path->value);
    input.reverse_path_where = path->where;
  }
  read_syn_limit(*section, input);
  read_ping(*section, input);
  input.log = read_log(*section);
  section->finish();
  return input;
}

}  // namespace ftfw::config
