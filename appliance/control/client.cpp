#include "appliance/control/client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>

#include "appliance/control/socket.hpp"

namespace ftfw {
namespace {

// Longer than the daemon lets any answer wait.
constexpr timeval kBounded{.tv_sec = 40, .tv_usec = 0};
constexpr std::size_t kMaxVerdictBytes = 65536;

Status send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return fail_errno("control socket", errno);
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Status judge(std::string verdict) {
  constexpr std::string_view kError = "error: ";
  constexpr std::string_view kInvalid = "invalid: ";
  if (verdict == "ok\n") return {};
  const bool invalid = verdict.starts_with(kInvalid);
  if (!(invalid || verdict.starts_with(kError)) || !verdict.ends_with('\n')) {
    return fail(Blame::system, "the daemon broke its answer off");
  }
  verdict.pop_back();
  if (invalid) return fail(Blame::configuration, verdict.substr(kInvalid.size()));
  return fail(Blame::peer, verdict.substr(kError.size()));
}

}  // namespace

Status ask_control_socket(const std::string& path, const std::string& request,
                          const std::function<bool(std::string_view text)>& take, Patience patience) {
  const auto fd = connect_to_control_socket(path);
  if (!fd) return std::unexpected(fd.error());
  if (patience == Patience::bounded)
    ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &kBounded, sizeof kBounded);
  ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &kBounded, sizeof kBounded);
  if (const Status sent = send_all(fd->get(), request + "\n"); !sent) return sent;
  std::string verdict;
  bool text_ended = false;
  std::array<char, 65536> part{};
  for (;;) {
    const ssize_t got = ::recv(fd->get(), part.data(), part.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(path, errno);
    if (got == 0) return judge(std::move(verdict));
    std::string_view bytes(part.data(), static_cast<std::size_t>(got));
    if (!text_ended) {
      const std::string_view text = bytes.substr(0, bytes.find('\0'));
      if (!text.empty() && !take(text)) return {};
      text_ended = text.size() < bytes.size();
      bytes.remove_prefix(text.size() + (text_ended ? 1 : 0));
    }
    verdict += bytes;
    if (verdict.size() > kMaxVerdictBytes) return fail(Blame::system, path + ": that is no answer");
  }
}

Result<std::string> ask_control_socket(const std::string& path, const std::string& request) {
  std::string answer;
  const Status asked = ask_control_socket(path, request, [&answer](std::string_view text) {
    answer += text;
    return true;
  });
  if (!asked) return std::unexpected(asked.error());
  return answer;
}

}  // namespace ftfw
