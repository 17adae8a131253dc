#include "tests/netns/lab/ftp.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/pattern.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kFtpPort = 21;
constexpr Duration kStepLimit = 30s;

void write_pattern(const fs::path& path, std::uint64_t size) {
  std::ofstream file(path, std::ios::binary);
  for (std::uint64_t offset = 0; offset < size;) {
    const auto chunk = pattern_at(offset, std::min<std::uint64_t>(size - offset, kPatternChunk));
    file.write(reinterpret_cast<const char*>(chunk.data()), std::ssize(chunk));
    offset += chunk.size();
  }
  if (!file.flush()) give_up("cannot write " + path.string());
}

// vsftpd's own sandboxes are off: it lives in one already, and the network it would isolate is the lab's.
std::string configuration(const fs::path& root, const fs::path& empty) {
  return "listen=YES\nbackground=NO\nlisten_address=192.168.0.3\nanonymous_enable=YES\nno_anon_password=YES\n"
         "anon_max_rate=2000000\nanon_root=" +
         root.string() + "\nsecure_chroot_dir=" + empty.string() +
         "\nxferlog_enable=NO\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\n"
         "connect_from_port_20=NO\n";
}

bool accepts_connections(const Lab& lab) {
  try {
    run_in(lab.network(Node::server), [] { return tcp_connect({kServerAddress, kFtpPort}, 1s); });
    return true;
  } catch (const LabError&) {
    return false;
  }
}

}  // namespace

FtpServer::FtpServer(Lab& lab) {
  const fs::path home = lab.scratch().path() / "ftp";
  const fs::path root = home / "files";
  const fs::path empty = home / "empty";
  const fs::path settings = home / "vsftpd.conf";
  fs::create_directories(root);
  fs::create_directories(empty);
  write_pattern(root / kSmallFile, kSmallFileBytes);
  write_pattern(root / kLargeFile, kLargeFileBytes);
  std::ofstream(settings) << configuration(root, empty) << std::flush;
  process_ = lab.start(Node::server, {"vsftpd", settings.string()}, "vsftpd.log");
  const bool listening = wait_until(
      10s,
      [&] {
        if (!process_.running()) give_up("vsftpd ended: " + lab.read_log("vsftpd.log"));
        return accepts_connections(lab);
      },
      20ms);
  if (!listening) give_up("vsftpd does not listen");
}

FtpClient::FtpClient(const Lab& lab) : client_(lab.network(Node::client)) {
  control_ = run_in(client_, [] { return tcp_connect({kServerAddress, kFtpPort}, kStepLimit); });
  read_reply("220");
  ask("USER anonymous", "230");
  ask("TYPE I", "200");
}

void FtpClient::enter_passive() {
  const std::string reply = ask("PASV", "227");
  std::array<unsigned, 6> part{};
  const std::size_t open = reply.find('(');
  if (open == std::string::npos || std::sscanf(reply.c_str() + open, "(%3u,%3u,%3u,%3u,%3u,%3u)", &part[0],
                                               &part[1], &part[2], &part[3], &part[4], &part[5]) != 6) {
    give_up("ftp: not understood: " + reply);
  }
  announced_.address = std::to_string(part[0]) + "." + std::to_string(part[1]) + "." +
                       std::to_string(part[2]) + "." + std::to_string(part[3]);
  announced_.port = static_cast<std::uint16_t>(part[4] * 256 + part[5]);
}

void FtpClient::open_data() {
  data_ = run_in(client_, [this] { return tcp_connect(announced_, kStepLimit); });
}

std::uint64_t FtpClient::retrieve(const std::string& file) {
  ask("RETR " + file, "150");
  std::array<std::uint8_t, kPatternChunk> buffer{};
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t got = checked(::recv(data_.get(), buffer.data(), buffer.size(), 0), "ftp: data connection");
    if (got == 0) break;
    const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
    if (!matches_pattern(bytes, total)) give_up("ftp: bytes that are not in the file");
    total += bytes.size();
  }
  data_.reset();
  read_reply("226");
  return total;
}

std::uint64_t FtpClient::download(const std::string& file) {
  enter_passive();
  open_data();
  return retrieve(file);
}

std::string FtpClient::list() {
  enter_passive();
  open_data();
  ask("NLST", "150");
  std::array<char, 4096> buffer{};
  std::string text;
  for (;;) {
    const ssize_t got = checked(::recv(data_.get(), buffer.data(), buffer.size(), 0), "ftp: data connection");
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  data_.reset();
  read_reply("226");
  return text;
}

std::string FtpClient::ask(const std::string& command, const std::string& expected) {
  const std::string line = command + "\r\n";
  checked(::send(control_.get(), line.data(), line.size(), MSG_NOSIGNAL), "ftp: control connection");
  return read_reply(expected);
}

// One line; vsftpd sends longer replies only to commands that are not used here.
std::string FtpClient::read_reply(const std::string& expected) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n")) == std::string::npos) {
    std::array<char, 1024> buffer{};
    const ssize_t got =
        checked(::recv(control_.get(), buffer.data(), buffer.size(), 0), "ftp: control connection");
    if (got == 0) give_up("ftp: the server closed the control connection");
    received_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 2);
  if (!line.starts_with(expected)) give_up("ftp: expected " + expected + ", got: " + line);
  return line;
}

FtpTransfer::FtpTransfer(FtpClient& client, const std::string& file)
    : thread_([this, &client, file] {
        try {
          bytes_ = client.download(file);
        } catch (const LabError& error) {
          problem_ = error.what();
        }
      }) {}

FtpTransfer::~FtpTransfer() {
  if (thread_.joinable()) thread_.join();
}

std::string FtpTransfer::result(std::uint64_t expected_bytes) {
  if (thread_.joinable()) thread_.join();
  if (problem_.empty() && bytes_ != expected_bytes) {
    problem_ = "ftp: " + std::to_string(bytes_) + " of " + std::to_string(expected_bytes) + " bytes";
  }
  return problem_;
}

}  // namespace ftfw::lab
