// The lab's directory for configuration, logs and files to transfer: /tmp/ftfw-lab-PID-N. Removed at the end,
// or renamed to /tmp/ftfw-kept-PID-N on wish. A lab holds a lock on its own; a directory that nobody has
// locked belonged to a lab that died, and the next lab removes it.
#pragma once

#include <filesystem>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::lab {

class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Where it will be found afterwards. FTFW_LAB_KEEP=1 in the environment does the same for every lab.
  std::filesystem::path keep();

 private:
  std::filesystem::path path_;
  UniqueFd lock_;
  bool keep_ = false;
};

}  // namespace ftfw::lab
