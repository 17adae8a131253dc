// How the lab says that it cannot be built or driven: an exception, thrown and caught on the thread that set
// it up. What the traffic threads meet is data in their reports and never thrown.
#pragma once

#include <stdexcept>
#include <string>

namespace ftfw::lab {

class LabError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void give_up(const std::string& text);

// "what: strerror(errno)".
[[noreturn]] void give_up_errno(const std::string& what);

// The value, unless it is negative: then errno says why.
template <typename T>
T checked(T value, const char* what) {
  if (value < 0) give_up_errno(what);
  return value;
}

}  // namespace ftfw::lab
