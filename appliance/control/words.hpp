// The words of a request behind its name, as the client sent them. A handler takes what it knows and then
// asks whether anything is left: what nobody took is an error, never silently ignored.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/result.hpp"

namespace ftfw {

class Words {
 public:
  // Split at single spaces.
  explicit Words(std::string_view line);

  // True if the word stands anywhere.
  bool take_flag(std::string_view flag);
  // "--name VALUE"; a name without a value stays, and is reported by finish().
  std::optional<std::string> take_value(std::string_view name);
  // The first word that is left and is no option.
  std::optional<std::string> take_word();
  // Once the handler has taken what it knows.
  Status finish() const;

 private:
  std::vector<std::string> words_;
};

}  // namespace ftfw
