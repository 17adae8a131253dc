#include "appliance/base/result.hpp"

#include <cstring>

namespace ftfw {

std::unexpected<Error> fail_errno(std::string what, int code, Blame blame) {
  char buffer[128];
  const char* reason = ::strerror_r(code, buffer, sizeof buffer);
  return std::unexpected(Error{blame, code, std::move(what) + ": " + reason});
}

}  // namespace ftfw
