#include "config/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "appliance/base/unique_fd.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kHexDigits = 2 * ReplicationKey::kBytes;
constexpr mode_t kForeignBits = 077;
constexpr std::string_view kHexAlphabet = "0123456789abcdef";

// The text of a key file, wiped when it goes. One byte more than a key with CR LF can have shows what is too
// long.
struct KeyText {
  std::array<char, kHexDigits + 3> bytes{};
  std::size_t size = 0;

  KeyText() = default;
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;
  ~KeyText() { ::explicit_bzero(bytes.data(), bytes.size()); }
};

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

Status check_file(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("cannot read the key file " + path, errno);
  if (!S_ISREG(info.st_mode))
    return fail(Blame::configuration, fmt::format("the key file {} is not a regular file", path));
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return fail(Blame::configuration,
                fmt::format("the key file {} belongs to user {}, who can read and replace it: chown root {}",
                            path, info.st_uid, path));
  }
  if ((info.st_mode & kForeignBits) != 0) {
    return fail(
        Blame::configuration,
        fmt::format("the key file {} has mode {:04o}, so others than its owner can use it: chmod 600 {}",
                    path, info.st_mode & 07777, path));
  }
  return {};
}

Status read_text(int fd, const std::string& path, KeyText& text) {
  while (text.size < text.bytes.size()) {
    const ssize_t count = ::read(fd, text.bytes.data() + text.size, text.bytes.size() - text.size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot read the key file " + path, errno);
    if (count == 0) break;
    text.size += static_cast<std::size_t>(count);
  }
  return {};
}

Status decode(std::string_view text, const std::string& path, std::span<std::uint8_t> out) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  const bool hex = std::ranges::all_of(text, [](char c) { return hex_value(c) >= 0; });
  if (text.size() != kHexDigits || !hex) {
    const std::string found = !hex                       ? "something else"
                              : text.size() > kHexDigits ? fmt::format("more than {}", kHexDigits)
                                                         : fmt::to_string(text.size());
    return fail(Blame::configuration,
                fmt::format("the key file {} must hold {} bytes as {} hex digits, found {}", path,
                            ReplicationKey::kBytes, kHexDigits, found));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
  }
  return {};
}

Status write_text(int fd, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot write the key file " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  // The umask can only have taken bits away; the owner must be able to read.
  if (::fchmod(fd, S_IRUSR | S_IWUSR) != 0 || ::fsync(fd) != 0)
    return fail_errno("cannot write the key file " + path, errno);
  return {};
}

Status draw_random(std::span<std::uint8_t> out) {
  // Up to 256 bytes come in one piece once the kernel's generator is seeded (getrandom(2)).
  while (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
    if (errno != EINTR) return fail_errno("getrandom", errno);
  }
  return {};
}

}  // namespace

ReplicationKey::ReplicationKey(ReplicationKey&& other) noexcept : bytes_(other.bytes_) {
  ::explicit_bzero(other.bytes_.data(), other.bytes_.size());
}

ReplicationKey& ReplicationKey::operator=(ReplicationKey&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  ::explicit_bzero(other.bytes_.data(), other.bytes_.size());
  return *this;
}

ReplicationKey::~ReplicationKey() {
  ::explicit_bzero(bytes_.data(), bytes_.size());
}

Result<ReplicationKey> read_key_file(const std::string& path) {
  // O_NONBLOCK: a FIFO in this place must not hang the start.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno("cannot open the key file " + path, errno);
  if (const Status checked = check_file(fd.get(), path); !checked) return std::unexpected(checked.error());
  KeyText text;
  if (const Status read = read_text(fd.get(), path, text); !read) return std::unexpected(read.error());
  ReplicationKey key;
  const Status decoded = decode({text.bytes.data(), text.size}, path, key.writable_bytes());
  if (!decoded) return std::unexpected(decoded.error());
  return key;
}

Status write_new_key_file(const std::string& path) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!fd) return fail_errno("cannot write the key file " + path, errno);
  ReplicationKey key;
  Status written = draw_random(key.writable_bytes());
  if (written) {
    KeyText text;
    for (const std::uint8_t byte : key.bytes()) {
      text.bytes.at(text.size++) = kHexAlphabet[byte >> 4];
      text.bytes.at(text.size++) = kHexAlphabet[byte & 15];
    }
    text.bytes.at(text.size++) = '\n';
    written = write_text(fd.get(), path, {text.bytes.data(), text.size});
  }
  // Half a key is worse than none.
  if (!written) ::unlink(path.c_str());
  return written;
}

}  // namespace ftfw::config
