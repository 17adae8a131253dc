#include "tests/netns/lab/error.hpp"

#include <cerrno>
#include <cstring>

namespace ftfw::lab {

void give_up(const std::string& text) {
  throw LabError("lab: " + text);
}

void give_up_errno(const std::string& what) {
  const int code = errno;
  give_up(what + ": " + std::strerror(code));
}

}  // namespace ftfw::lab
