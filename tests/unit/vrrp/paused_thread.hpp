// Stops one thread of this process, and no other, while it lives: a child process does, for nobody may trace
// himself. Needs root.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "appliance/base/unique_fd.hpp"
#include "tests/unit/vrrp/two_namespaces.hpp"

namespace ftfw::test {

class PausedThread {
 public:
  explicit PausedThread(const std::string& name) {
    pid_t thread = 0;
    if (!within(3s, [&] { return (thread = find(name)) != 0; }))
      throw std::runtime_error("no thread " + name);
    std::array<int, 2> to_child{};
    std::array<int, 2> from_child{};
    if (::pipe2(to_child.data(), O_CLOEXEC) != 0 || ::pipe2(from_child.data(), O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ == 0) {
      ::close(to_child[1]);
      hold(thread, to_child[0], from_child[1]);
    }
    end_ = UniqueFd(to_child[1]);
    const UniqueFd hear_end(to_child[0]);
    const UniqueFd said(from_child[0]);
    ::close(from_child[1]);
    char stopped = 0;
    if (::read(said.get(), &stopped, 1) != 1) throw std::runtime_error("cannot stop thread " + name);
  }
  ~PausedThread() {
    end_ = UniqueFd();
    ::waitpid(child_, nullptr, 0);
  }
  PausedThread(const PausedThread&) = delete;
  PausedThread& operator=(const PausedThread&) = delete;

 private:
  static pid_t find(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string comm;
      std::getline(std::ifstream(entry.path() / "comm"), comm);
      if (comm == name) return std::stoi(entry.path().filename().string());
    }
    return 0;
  }
  // In the child; only what is allowed after a fork beside other threads.
  [[noreturn]] static void hold(pid_t thread, int end, int say) {
    char byte = 1;
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 &&
        ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0 &&
        ::waitpid(thread, nullptr, __WALL) == thread && ::write(say, &byte, 1) == 1) {
      while (::read(end, &byte, 1) > 0) {
      }
      ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
    }
    ::_exit(0);
  }

  pid_t child_ = -1;
  UniqueFd end_;  // closed: the child ends
};

}  // namespace ftfw::test
