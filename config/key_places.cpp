#include "config/key_places.hpp"

#include <charconv>

#include "config/reader.hpp"

namespace ftfw::config {

struct KeyPlaces::Tree {
  toml::table root;
};

KeyPlaces::KeyPlaces(std::string_view text) : tree_(std::make_unique<Tree>()) {
  try {
    tree_->root = toml::parse(text);
  } catch (const toml::parse_error&) {
    tree_->root.clear();
  }
}

KeyPlaces::~KeyPlaces() = default;

Location KeyPlaces::of(std::initializer_list<std::string_view> path) const {
  Location found;
  const toml::node* node = &tree_->root;
  for (const std::string_view step : path) {
    if (const toml::table* table = node->as_table()) {
      const auto entry = table->find(step);
      if (entry == table->end()) break;
      node = &entry->second;
      // A section begins at its header, a value at its key.
      const toml::table* inner = node->as_table();
      const bool is_section = (inner != nullptr && !inner->is_inline()) || node->is_array_of_tables();
      found = is_section ? location_of(node->source()) : location_of(entry->first.source());
    } else if (const toml::array* array = node->as_array()) {
      std::size_t index = array->size();
      std::from_chars(step.data(), step.data() + step.size(), index);
      if (index >= array->size()) break;
      node = array->get(index);
      found = location_of(node->source());
    } else {
      break;
    }
  }
  return found;
}

}  // namespace ftfw::config
