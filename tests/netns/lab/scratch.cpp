#include "tests/netns/lab/scratch.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <system_error>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLivePrefix = "ftfw-lab-";
constexpr const char* kKeptPrefix = "ftfw-kept-";

UniqueFd locked(const fs::path& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

void remove_those_of_the_dead() {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/tmp", ignored)) {
    if (!entry.path().filename().string().starts_with(kLivePrefix)) continue;
    if (locked(entry.path())) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Scratch::Scratch() {
  static std::atomic<int> count = 0;
  remove_those_of_the_dead();
  path_ = fs::path("/tmp") / (kLivePrefix + std::to_string(::getpid()) + "-" + std::to_string(++count));
  // Made and locked under another name, so that no other lab takes it for a dead one in between.
  fs::path unborn = path_;
  unborn.replace_filename("." + path_.filename().string());
  checked(::mkdir(unborn.c_str(), 0755), "make the lab's directory");
  lock_ = locked(unborn);
  fs::rename(unborn, path_);
  keep_ = std::getenv("FTFW_LAB_KEEP") != nullptr;
}

Scratch::~Scratch() {
  std::error_code ignored;
  if (keep_) {
    fs::rename(path_, keep(), ignored);
  } else {
    fs::remove_all(path_, ignored);
  }
}

fs::path Scratch::keep() {
  keep_ = true;
  fs::path kept = path_;
  kept.replace_filename(kKeptPrefix + path_.filename().string().substr(std::string(kLivePrefix).size()));
  return kept;
}

}  // namespace ftfw::lab
