#include "appliance/ssh_uses.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

namespace ftfw {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kSshPort = 22;
constexpr std::string_view kEstablished = "01";  // include/net/tcp_states.h
constexpr std::string_view kListen = "0A";

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename Number>
std::optional<Number> number_of(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Words of 32 bits as the host keeps them, in hex; IPv4 over IPv6 is IPv4.
std::optional<IpAddress> address_of(std::string_view hex) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  ByteVector bytes;
  for (std::size_t at = 0; at + 8 <= hex.size(); at += 8) {
    const auto word = number_of<std::uint32_t>(hex.substr(at, 8), 16);
    if (!word) return std::nullopt;
    std::array<std::uint8_t, 4> part{};
    std::memcpy(part.data(), &*word, part.size());
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  if (bytes.size() == 16 && std::equal(kMapped.begin(), kMapped.end(), bytes.begin()))
    bytes.erase(bytes.begin(), bytes.begin() + kMapped.size());
  return IpAddress::from_bytes(bytes);
}

struct End {
  IpAddress address;
  std::uint16_t port = 0;
};

std::optional<End> end_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto address = address_of(text.substr(0, colon));
  const auto port = number_of<std::uint16_t>(text.substr(colon + 1), 16);
  if (!address || !port) return std::nullopt;
  return End{*address, *port};
}

bool is_sshd(const fs::path& process) {
  return contents(process / "comm").starts_with("sshd");
}

std::vector<std::uint64_t> socket_inodes(const fs::path& process) {
  constexpr std::string_view kPrefix = "socket:[";
  std::vector<std::uint64_t> inodes;
  std::error_code error;
  for (fs::directory_iterator each(process / "fd", error), end; !error && each != end;
       each.increment(error)) {
    std::error_code gone;
    const std::string target = fs::read_symlink(each->path(), gone).string();
    if (gone || !target.starts_with(kPrefix)) continue;
    const std::string_view digits = std::string_view(target).substr(kPrefix.size());
    if (const auto inode = number_of<std::uint64_t>(digits.substr(0, digits.size() - 1), 10))
      inodes.push_back(*inode);
  }
  return inodes;
}

}  // namespace

std::vector<TcpSocket> parse_tcp_sockets(std::string_view text) {
  std::vector<TcpSocket> sockets;
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // the titles
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    const std::vector<std::string> word{std::istream_iterator<std::string>(words), {}};
    if (word.size() < 10) continue;
    const auto local = end_of(word[1]);
    const auto remote = end_of(word[2]);
    const auto inode = number_of<std::uint64_t>(word[9], 10);
    const bool listens = word[3] == kListen;
    if (!local || !remote || !inode || (!listens && word[3] != kEstablished)) continue;
    sockets.push_back({local->address, local->port, remote->address, listens, *inode});
  }
  return sockets;
}

std::vector<firewall::SshUse> ssh_uses_of(const std::vector<TcpSocket>& sockets,
                                          const std::vector<std::uint64_t>& inodes) {
  using firewall::SshUse;
  std::vector<SshUse> sessions;
  std::vector<SshUse> listening;
  for (const TcpSocket& socket : sockets) {
    const bool ours = inodes.empty() ? socket.local_port == kSshPort
                                     : std::ranges::find(inodes, socket.inode) != inodes.end();
    if (!ours) continue;
    if (!socket.listens) {
      sessions.push_back({.port = socket.local_port, .client = socket.remote, .local = socket.local});
    } else if (std::ranges::find(listening, socket.local_port, &SshUse::port) == listening.end()) {
      listening.push_back({.port = socket.local_port, .client = std::nullopt, .local = socket.local});
    }
  }
  return sessions.empty() ? listening : sessions;
}

std::vector<firewall::SshUse> read_ssh_uses() {
  std::vector<std::uint64_t> inodes;
  std::error_code error;
  for (fs::directory_iterator each("/proc", error), end; !error && each != end; each.increment(error)) {
    const std::string name = each->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos || !is_sshd(each->path())) continue;
    for (const std::uint64_t inode : socket_inodes(each->path())) inodes.push_back(inode);
  }
  std::vector<TcpSocket> sockets = parse_tcp_sockets(contents("/proc/net/tcp"));
  for (const TcpSocket& one : parse_tcp_sockets(contents("/proc/net/tcp6"))) sockets.push_back(one);
  return ssh_uses_of(sockets, inodes);
}

}  // namespace ftfw
