// A machine that is busy with other things: two spinning processes a processor, and one that writes and waits
// for the disk. They end with the object, with the lab, or by themselves after kMost.
#pragma once

#include <vector>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::bench {

class Load {
 public:
  static constexpr int kMost = 60;  // seconds

  explicit Load(lab::Lab& lab);

 private:
  std::vector<lab::Process> processes_;
};

}  // namespace ftfw::bench
