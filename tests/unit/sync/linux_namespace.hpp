// A network namespace of the test's own: created in the constructor, left again in the destructor. Children
// (conntrack(8)) inherit it. Without root the test says so in one line and is skipped.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::sync::testing {

class NetworkNamespace {
 public:
  NetworkNamespace() : outside_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    entered_ = ::unshare(CLONE_NEWNET) == 0;
    if (!entered_) MESSAGE("skipped: a network namespace of its own needs root");
  }
  ~NetworkNamespace() {
    if (entered_) ::setns(outside_.get(), CLONE_NEWNET);
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  explicit operator bool() const { return entered_; }

 private:
  UniqueFd outside_;
  bool entered_ = false;
};

// Standard output of a program, run by the shell.
inline std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = ::fread(buffer.data(), 1, buffer.size(), pipe.get()))
    text.append(buffer.data(), got);
  return text;
}

}  // namespace ftfw::sync::testing
