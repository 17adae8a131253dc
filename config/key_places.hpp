// Where a key stands in the text of a configuration, for what is said of a value after the file has become a
// Config, whose values do not all carry their Location. Pure; parses the text once.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>

#include "config/location.hpp"

namespace ftfw::config {

class KeyPlaces {
 public:
  // Of a text that load() has accepted; any other has no places.
  explicit KeyPlaces(std::string_view text);
  ~KeyPlaces();
  KeyPlaces(const KeyPlaces&) = delete;
  KeyPlaces& operator=(const KeyPlaces&) = delete;

  // {"sync_group", "0", "virtual_router", "1", "unicast"}; an element of a list by its number. A key that the
  // file does not have (its default holds) is at the section where it would stand; nothing of the path: line
  // 0.
  Location of(std::initializer_list<std::string_view> path) const;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
};

}  // namespace ftfw::config
