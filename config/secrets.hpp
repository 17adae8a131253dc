// What must not be shown when a line of the configuration is shown: the value of every key that names a
// secret or looks like a misspelt one. It works on the text, not on the parsed tree, because a file with a
// syntax error has no tree. It errs on the side of hiding too much.
#pragma once

#include <string>
#include <string_view>

namespace ftfw::config {

// The same text with the values of secrets replaced by '*', one for one: lines and columns stay where they
// are.
std::string mask_secrets(std::string_view source);

}  // namespace ftfw::config
