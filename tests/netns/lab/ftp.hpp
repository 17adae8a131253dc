// FTP against a real server: vsftpd on the server node, and a client that is small enough to stop between any
// two steps of a passive transfer. All calls block, with a limit; used by one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {

inline constexpr const char* kSmallFile = "small.bin";  // 200,000 bytes
inline constexpr std::uint64_t kSmallFileBytes = 200'000;
inline constexpr const char* kLargeFile = "large.bin";  // 8,000,000 bytes, sent in about 4 seconds
inline constexpr std::uint64_t kLargeFileBytes = 8'000'000;

class FtpServer {
 public:
  // Returns when it listens.
  explicit FtpServer(Lab& lab);

 private:
  Process process_;
};

class FtpClient {
 public:
  // Connected to the server and logged in as anonymous.
  explicit FtpClient(const Lab& lab);

  // PASV: the server's 227 is here, the firewalls expect the data connection.
  void enter_passive();
  // Opens the data connection that the last 227 announced: its SYN goes out now.
  void open_data();
  // RETR over the open data connection: all bytes, each checked, and the server's 226. Returns the count.
  std::uint64_t retrieve(const std::string& file);

  // The three above.
  std::uint64_t download(const std::string& file);
  // NLST over a data connection: what a person sees as `ls`.
  std::string list();

  std::uint16_t control_port() const { return local_port(control_.get()); }

 private:
  // Sends a command and reads the reply, which must begin with this digit or code.
  std::string ask(const std::string& command, const std::string& expected);
  std::string read_reply(const std::string& expected);

  const NetNamespace& client_;
  UniqueFd control_;
  UniqueFd data_;
  std::string received_;  // of the control connection, not yet a whole line
  Endpoint announced_;
};

// A download that runs while other things happen. The client is this object's until the transfer is over.
class FtpTransfer {
 public:
  FtpTransfer(FtpClient& client, const std::string& file);
  ~FtpTransfer();

  // Waits for its end: "" when every byte came and the server said 226, otherwise what went wrong.
  std::string result(std::uint64_t expected_bytes);

 private:
  std::string problem_;
  std::uint64_t bytes_ = 0;
  std::thread thread_;
};

}  // namespace ftfw::lab
