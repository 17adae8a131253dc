#include "appliance/tracked_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/base/unique_fd.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {
namespace {

constexpr std::size_t kMaxFileBytes = 64;
constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

std::optional<int> parse_tracked_value(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return 0;
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  int value = 0;
  const auto [end, problem] = std::from_chars(text.begin(), text.end(), value);
  if (problem != std::errc() || end != text.end()) return std::nullopt;
  if (value < -kMaxTrackedValue || value > kMaxTrackedValue) return std::nullopt;
  return value;
}

Result<int> read_tracked_file(const std::string& path) {
  // Without waiting for the writer of a pipe, which is refused then.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return 0;
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return fail_errno(path, errno);
  if (!S_ISREG(facts.st_mode)) return fail(Blame::system, path + ": not a file");
  std::array<char, kMaxFileBytes + 1> text{};
  const ssize_t got = ::read(fd.get(), text.data(), text.size());
  if (got < 0) return fail_errno(path, errno);
  const auto size = static_cast<std::size_t>(got);
  const auto value = size > kMaxFileBytes ? std::nullopt : parse_tracked_value({text.data(), size});
  if (!value) {
    return fail(Blame::system,
                fmt::format("{}: not one integer from -{} to {}", path, kMaxTrackedValue, kMaxTrackedValue));
  }
  return *value;
}

TrackedFiles::TrackedFiles(std::vector<config::TrackedFile> files, TrackedFileReports& reports)
    : reports_(reports) {
  for (config::TrackedFile& file : files)
    files_.push_back({.path = std::move(file.path), .weight = file.weight});
}

void TrackedFiles::run(const std::stop_token& stop) {
  name_this_thread("ftfw-files");
  std::mutex waiting;
  std::condition_variable_any stopped;
  read();
  while (!files_.empty() && !stop.stop_requested()) {
    std::unique_lock lock(waiting);
    stopped.wait_for(lock, stop, kReadFilesEvery, [] { return false; });
    read();
  }
}

void TrackedFiles::read() {
  reading_since_.store(monotonic_now().time_since_epoch().count(), std::memory_order_relaxed);
  bool changed = !has_read();
  int adjustment = 0;
  for (TrackedFileStatus& file : files_) {
    const Result<int> value = read_tracked_file(file.path);
    if (value) changed |= std::exchange(file.value, *value) != *value;
    const bool was_readable = std::exchange(file.readable, value.has_value());
    changed |= was_readable != file.readable;
    if (!value && was_readable) {
      reports_.post(
          Trouble{fmt::format("tracked file {}; its last value {} stays", value.error().text, file.value)});
    }
    adjustment += file.value * file.weight;
  }
  if (changed) reports_.post(FilesRead{adjustment, files_});
  reports_.flush();
  reading_since_.store(0, std::memory_order_relaxed);
  has_read_.store(true, std::memory_order_release);
}

std::optional<Instant> TrackedFiles::reading_since() const {
  const Duration::rep since = reading_since_.load(std::memory_order_relaxed);
  if (since == 0) return std::nullopt;
  return Instant(Duration(since));
}

}  // namespace ftfw
