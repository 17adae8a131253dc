#include "config/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/names.hpp"

namespace ftfw::config {
namespace {

// These stand before the first [section]; further down they silently become keys of the section above them.
constexpr std::array<std::string_view, 2> kTopLevelKeys{"schema", "on_exit"};

std::string hint_for_unknown(std::string_view key, std::span<const std::string_view> known) {
  if (std::ranges::find(kTopLevelKeys, key) != kTopLevelKeys.end()) {
    return fmt::format("'{}' belongs at the top of the file, before the first [section]", key);
  }
  if (const auto meant = nearest(key, known)) return fmt::format("did you mean '{}'?", *meant);
  return fmt::format("known here: {}", listed(known, " and "));
}

}  // namespace

Location Section::where_key(std::string_view key) const {
  for (const auto& [name, node] : *table_) {
    if (name.str() == key) return location_of(name.source());
  }
  return where_;
}

const toml::node* Section::find(Key key, std::string text_if_missing, std::string hint_if_missing) {
  asked_.push_back(key.name);
  const toml::node* node = table_->get(key.name);
  if (node == nullptr && key.need == Need::required) {
    missing_.push_back({key.name, std::move(text_if_missing), std::move(hint_if_missing)});
  }
  return node;
}

std::optional<Value> Section::value(Key key) {
  const toml::node* node =
      find(key, fmt::format("{} needs '{}'", name_, key.name),
           key.hint_if_missing.empty() ? fmt::format("for example: {} = {}", key.name, key.example)
                                       : std::string(key.hint_if_missing));
  if (node == nullptr) return std::nullopt;
  return Value{*node, key, *diagnostics_};
}

Read<std::string> Section::text(Key key) {
  const auto found = value(key);
  return found ? found->text() : std::nullopt;
}

Read<std::int64_t> Section::integer(Key key, std::int64_t least, std::int64_t most) {
  const auto found = value(key);
  return found ? found->integer(least, most) : std::nullopt;
}

Read<bool> Section::flag(Key key) {
  const auto found = value(key);
  if (!found) return std::nullopt;
  const auto flag = found->node.as_boolean();
  if (flag == nullptr) {
    found->error(fmt::format("'{}' must be true or false, found {}", key.name, described(found->node)));
    return std::nullopt;
  }
  return At<bool>{flag->get(), found->where()};
}

Read<Duration> Section::duration(Key key, Duration least, Duration most) {
  const auto found = value(key);
  return found ? found->duration(least, most) : std::nullopt;
}

Read<IpAddress> Section::address(Key key) {
  const auto found = value(key);
  return found ? found->address() : std::nullopt;
}

Read<IpPrefix> Section::prefix(Key key) {
  const auto found = value(key);
  return found ? found->prefix() : std::nullopt;
}

Read<std::string> Section::interface(Key key) {
  const auto found = value(key);
  return found ? found->interface() : std::nullopt;
}

Read<std::string> Section::object_name(Key key) {
  const auto found = value(key);
  return found ? found->object_name() : std::nullopt;
}

Read<std::size_t> Section::choice(Key key, std::span<const std::string_view> allowed) {
  const auto found = value(key);
  return found ? found->choice(allowed) : std::nullopt;
}

Read<std::uint8_t> Section::protocol(Key key) {
  const auto found = value(key);
  return found ? found->protocol() : std::nullopt;
}

std::vector<Value> Section::list(Key key, std::size_t most) {
  const auto found = value(key);
  if (!found) return {};
  const toml::array* array = found->node.as_array();
  if (array == nullptr) {
    found->error(fmt::format("'{}' must be an array, found {}", key.name, described(found->node)));
    return {};
  }
  if (array->empty()) found->error(fmt::format("'{}' is empty", key.name));
  if (array->size() > most) {
    found->error(fmt::format("'{}' has {} elements, {} at most", key.name, array->size(), most), "");
    return {};
  }
  std::vector<Value> values;
  for (const toml::node& element : *array) values.push_back(Value{element, key, *diagnostics_, true});
  return values;
}

std::optional<Section> Section::table(Key key, std::string shown) {
  const toml::node* node = find(key, fmt::format("{} is missing", shown), std::string(key.example));
  if (node == nullptr) return std::nullopt;
  if (const toml::table* table = node->as_table()) {
    return Section(*table, std::move(shown), location_of(node->source()), *diagnostics_);
  }
  diagnostics_->error(location_of(node->source()),
                      fmt::format("'{}' must be a table, found {}", key.name, described(*node)),
                      node->is_array_of_tables() ? fmt::format("write {} in single brackets", shown)
                                                 : std::string(key.example));
  return std::nullopt;
}

std::vector<Section> Section::tables(Key key, std::string shown, std::size_t most) {
  const toml::node* node = find(key, fmt::format("{} is missing", shown), std::string(key.example));
  if (node == nullptr) return {};
  if (!node->is_array_of_tables()) {
    diagnostics_->error(location_of(node->source()),
                        fmt::format("'{}' must be a list of tables, found {}", key.name, described(*node)),
                        fmt::format("write {} in double brackets", shown));
    return {};
  }
  if (const std::size_t count = node->as_array()->size(); count > most) {
    diagnostics_->error(location_of(node->source()),
                        fmt::format("{} stands {} times, {} at most", shown, count, most));
    return {};
  }
  std::vector<Section> sections;
  for (const toml::node& element : *node->as_array()) {
    sections.emplace_back(*element.as_table(), shown, location_of(element.source()), *diagnostics_);
  }
  return sections;
}

std::vector<std::pair<std::string, Section>> Section::named_tables() {
  const std::string prefix = name_.substr(0, name_.size() - 1);
  std::vector<std::pair<std::string, Section>> sections;
  for (const auto& [name, node] : *table_) {
    const Location where = location_of(name.source());
    if (const toml::table* table = node.as_table()) {
      sections.emplace_back(std::string(name.str()),
                            Section(*table, fmt::format("{}.{}]", prefix, name.str()), where, *diagnostics_));
    } else {
      diagnostics_->error(where, fmt::format("{} stands directly in {}", quoted(name.str()), name_),
                          fmt::format("it belongs under a name: {}.NAME]", prefix));
    }
  }
  std::ranges::sort(sections, {}, [](const auto& named) { return named.second.where(); });
  return sections;
}

void Section::finish() const {
  std::vector<Missing> missing = missing_;
  for (const auto& [name, node] : *table_) {
    if (std::ranges::find(asked_, name.str()) != asked_.end()) continue;
    const bool section = node.is_table() || node.is_array_of_tables();
    diagnostics_->error(
        location_of(name.source()),
        fmt::format("unknown {} {} in {}", section ? "section" : "key", quoted(name.str()), name_),
        hint_for_unknown(name.str(), asked_));
    if (const auto meant = nearest(name.str(), asked_))
      std::erase_if(missing, [&](const Missing& one) { return one.key == *meant; });
  }
  for (const Missing& one : missing) diagnostics_->error(where_, one.text, one.hint);
}

}  // namespace ftfw::config
