#include "config/source_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::config {

Result<SourceFile> read_source_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno("cannot open the configuration", errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("cannot read the configuration", errno);
  if (!S_ISREG(info.st_mode)) return fail(Blame::configuration, "the configuration is not a regular file");

  SourceFile file{.text = std::string(kMaxSourceBytes + 1, '\0'),
                  .others_can_read = (info.st_mode & S_IROTH) != 0};
  std::size_t size = 0;
  while (size < file.text.size()) {
    const ssize_t count = ::read(fd.get(), file.text.data() + size, file.text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot read the configuration", errno);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kMaxSourceBytes) {
    return fail(Blame::configuration,
                fmt::format("the configuration is larger than {} KiB", kMaxSourceBytes / 1024));
  }
  file.text.resize(size);
  return file;
}

}  // namespace ftfw::config
