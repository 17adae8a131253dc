// [[firewall.group]]: named groups, their elements in the file or in a file of their own.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::array<std::string_view, 3> kTypes{"hosts", "networks", "ports"};
constexpr std::array<GroupType, 3> kTypeValues{GroupType::hosts, GroupType::networks, GroupType::ports};

// Of one group. An interval set of so many takes the kernel about a second.
constexpr std::size_t kMaxGroupElements = 200'000;

struct Problem {
  std::string text;
  std::string hint;
};

// Why not, if the text is no element of such a group.
std::optional<Problem> add_element(Group& group, const std::string& text) {
  if (group.type == GroupType::ports) {
    const auto range = parse_port_range(text);
    if (!range)
      return Problem{fmt::format("{} is no port or range of ports", quoted(text)), "for example: 8000-8080"};
    group.ports.push_back(*range);
    return std::nullopt;
  }
  const auto prefix = IpPrefix::parse(text);
  if (group.type == GroupType::hosts) {
    if (prefix && prefix->is_host()) {
      group.addresses.push_back(range_of(*prefix));
      return std::nullopt;
    }
    const bool networks = prefix || parse_address_range(text);
    return Problem{fmt::format("{} is no host", quoted(text)),
                   networks ? "networks and ranges belong to a group with type = \"networks\""
                            : "for example: 192.168.2.3"};
  }
  const auto range = prefix ? range_of(*prefix) : parse_address_range(text);
  if (!range)
    return Problem{fmt::format("{} is no address, network or range", quoted(text)),
                   "for example: 192.168.2.0/24"};
  if (prefix && network_of(*prefix) != *prefix)
    return Problem{fmt::format("{} has bits set behind its prefix length", prefix->to_string()),
                   fmt::format("the network is {}", network_of(*prefix).to_string())};
  group.addresses.push_back(*range);
  return std::nullopt;
}

void read_elements(Section& section, Group& group) {
  for (const Value& value : section.list({"elements", "[\"192.168.2.3\", \"192.168.2.4\"]"})) {
    std::optional<Problem> problem;
    if (const auto number = value.node.as_integer(); number != nullptr && group.type == GroupType::ports) {
      problem = add_element(group, fmt::format("{}", number->get()));
    } else if (const auto text = value.text(group.type == GroupType::ports ? "a port or a range in quotes"
                                                                           : "an address in quotes")) {
      problem = add_element(group, text->value);
    }
    if (problem) value.error(problem->text, problem->hint);
  }
}

std::string_view without_comment(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// One element a line; what is behind # is a comment.
void read_element_lines(const Value& value, const std::string& path, std::string_view text, Group& group) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string element(without_comment(text.substr(0, end)));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (element.empty()) continue;
    if (const auto problem = add_element(group, element))
      value.error(fmt::format("{}:{}: {}", path, number, problem->text), problem->hint);
  }
}

void read_element_file(Section& section, Group& group, const ReadFile& read_file) {
  const auto value = section.value({"file", "\"/etc/ftfw/blocklist.txt\""});
  const auto path = value ? value->text("a path in quotes") : std::nullopt;
  if (!path) return;
  if (!path->value.starts_with('/')) {
    value->error(fmt::format("the path {} does not begin at /", quoted(path->value)));
    return;
  }
  if (!read_file) {
    value->error("element files cannot be read here", "");
    return;
  }
  const Result<std::string> text = read_file(path->value);
  if (!text) {
    value->error(fmt::format("{}: {}", path->value, text.error().text),
                 "one element a line, # begins a comment");
    return;
  }
  read_element_lines(*value, path->value, *text, group);
}

Group read_group(Section& section, const ReadFile& read_file) {
  Group group{.where = section.where()};
  if (const auto name = section.object_name({"name", "\"admins\"", Need::required})) group.name = name->value;
  const auto type = section.choice({"type", "\"hosts\"", Need::required}, kTypes);
  if (type) {
    group.type = kTypeValues.at(type->value);
    read_elements(section, group);
    read_element_file(section, group, read_file);
  } else {
    section.value({"elements", ""});
    section.value({"file", ""});
  }
  if (!section.has("elements") && !section.has("file")) {
    section.diagnostics().error(section.where(), "a group needs 'elements' or 'file'",
                                "for example: elements = [\"192.168.2.3\"]");
  }
  section.finish();
  const bool hosts = group.type == GroupType::hosts;
  group.addresses = hosts ? merged(std::move(group.addresses)) : joined(std::move(group.addresses));
  group.ports = joined(std::move(group.ports));
  if (const std::size_t count = std::max(group.addresses.size(), group.ports.size());
      count > kMaxGroupElements) {
    section.diagnostics().error(
        section.where(), fmt::format("the group has {} elements, {} at most", count, kMaxGroupElements), "");
  }
  return group;
}

}  // namespace

std::vector<Group> read_groups(Section& firewall, const ReadFile& read_file) {
  std::vector<Group> groups;
  for (Section& one : firewall.tables({"group", ""}, "[[firewall.group]]"))
    groups.push_back(read_group(one, read_file));
  return groups;
}

}  // namespace ftfw::config
