// Errors are values, split by who is to blame, so that the caller knows what to do: report to the operator
// (configuration, system), drop and count (wire, peer), retry or alarm (kernel).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace ftfw {

enum class Blame {
  configuration,  // the operator wrote something that cannot be
  wire,           // bytes from the network that are malformed
  peer,           // a well-formed message that the other node must not send
  kernel,         // the kernel refused a request; code holds errno
  system,         // permission, missing file or interface; code holds errno
};

struct Error {
  Blame blame = Blame::system;
  int code = 0;  // errno where one exists, otherwise 0
  std::string text;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Blame blame, std::string text, int code = 0) {
  return std::unexpected(Error{blame, code, std::move(text)});
}

// Blame::system with "what: strerror(code)". Call it before errno can change.
std::unexpected<Error> fail_errno(std::string what, int code, Blame blame = Blame::system);

}  // namespace ftfw
