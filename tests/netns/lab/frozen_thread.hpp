// One thread of a program stands still while this lives, the others go on: what a reader that is not
// scheduled looks like to the rest. By ptrace, so it is made and ended on the same thread of the test.
#pragma once

#include <sys/types.h>

#include <string>

namespace ftfw::lab {

class FrozenThread {
 public:
  // The thread by its name (/proc/PID/task/TID/comm). It stands still when this returns.
  FrozenThread(pid_t program, const std::string& name);
  ~FrozenThread();
  FrozenThread(const FrozenThread&) = delete;
  FrozenThread& operator=(const FrozenThread&) = delete;

 private:
  pid_t thread_ = -1;
};

}  // namespace ftfw::lab
