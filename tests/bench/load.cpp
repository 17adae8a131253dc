#include "tests/bench/load.hpp"

#include <fmt/core.h>

#include <thread>

namespace ftfw::bench {

Load::Load(lab::Lab& lab) {
  const std::string limit = std::to_string(kMost);
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) {
    processes_.push_back(lab.start(lab::Node::client,
                                   {"timeout", "--foreground", limit, "sh", "-c", "while :; do :; done"},
                                   "load.log"));
  }
  // 64 MiB in blocks that each wait for the disk, over and over into the same file.
  const std::string file = (lab.scratch().path() / "disk-load").string();
  const std::string write =
      fmt::format("while :; do dd if=/dev/zero of={} bs=64k count=1024 oflag=dsync conv=notrunc; done", file);
  processes_.push_back(
      lab.start(lab::Node::client, {"timeout", "--foreground", limit, "sh", "-c", write}, "load.log"));
}

}  // namespace ftfw::bench
