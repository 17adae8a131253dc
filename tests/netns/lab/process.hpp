// Programs of the lab. They live in a PID namespace whose init is a child of the lab: init ends when the pipe
// to the lab closes, and the kernel then ends all that it ever started, daemonised grandchildren included. So
// SIGKILL of the lab leaves no process. Each program has its own mounts, with the /proc and /sys of its
// place.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/time.hpp"
#include "appliance/base/unique_fd.hpp"
#include "tests/netns/lab/net_namespace.hpp"

namespace ftfw::lab {

class ProcessSpace {
 public:
  ProcessSpace();
  ~ProcessSpace();  // ends every process in it
  ProcessSpace(const ProcessSpace&) = delete;
  ProcessSpace& operator=(const ProcessSpace&) = delete;

  int fd() const { return space_.get(); }
  pid_t init_pid() const { return init_; }

 private:
  pid_t init_ = -1;
  UniqueFd alive_;  // our end of the pipe: open while the lab lives
  UniqueFd space_;
};

struct Launch {
  std::vector<std::string> words;  // the program (found in PATH) and its arguments
  int input_fd = -1;               // -1: /dev/null
  int output_fd = -1;              // -1: /dev/null
  int error_fd = -1;               // -1: where the output goes
};

// One program. Killed and reaped by the destructor.
class Process {
 public:
  static Process start(const ProcessSpace& space, const NetNamespace& network, const Launch& launch);

  Process() = default;
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process() { kill_now(); }

  bool running();
  void signal(int number);  // SIGTERM, SIGSTOP, SIGCONT; nothing if it has ended
  void kill_now();          // SIGKILL; returns when it is gone
  // The exit code (128 + signal if one ended it), or nothing if it still runs at the deadline.
  std::optional<int> wait(Duration at_most);
  pid_t pid() const { return pid_; }  // as the lab sees it

 private:
  Process(pid_t pid, UniqueFd handle) : pid_(pid), handle_(std::move(handle)) {}

  pid_t pid_ = -1;
  UniqueFd handle_;
  std::optional<int> exit_code_;
};

struct Outcome {
  int exit_code = -1;
  std::string output;
  std::string errors;  // what it wrote to standard error
};

// Runs a program to its end; gives up after at_most.
Outcome run(const ProcessSpace& space, const NetNamespace& network, const std::vector<std::string>& words,
            const std::string& input = {}, Duration at_most = 30s);

}  // namespace ftfw::lab
