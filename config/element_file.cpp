#include "config/element_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

}  // namespace

Result<std::string> read_element_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno("cannot open it", errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("cannot read it", errno);
  if (!S_ISREG(info.st_mode)) return fail(Blame::configuration, "it is not a regular file");
  std::string text;
  for (;;) {
    const std::size_t size = text.size();
    text.resize(size + kReadBytes);
    const ssize_t count = ::read(fd.get(), text.data() + size, kReadBytes);
    text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot read it", errno);
    if (count == 0) return text;
    if (text.size() > kMaxElementFileBytes)
      return fail(Blame::configuration, fmt::format("it is larger than {} MiB", kMaxElementFileBytes >> 20));
  }
}

}  // namespace ftfw::config
