#include "tests/netns/lab/frozen_thread.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {

FrozenThread::FrozenThread(pid_t program, const std::string& name) {
  const auto tasks = std::filesystem::path("/proc") / std::to_string(program) / "task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    if (found == name) thread_ = std::stoi(task.path().filename().string());
  }
  if (thread_ < 0) give_up("no thread " + name);
  checked(::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr), "PTRACE_SEIZE");
  checked(::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr), "PTRACE_INTERRUPT");
  checked(::waitpid(thread_, nullptr, __WALL), "wait for the thread to stand still");
}

FrozenThread::~FrozenThread() {
  ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
}

}  // namespace ftfw::lab
