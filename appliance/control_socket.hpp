// The control socket (UNIX, stream): a client sends one line, gets the answer and the connection is closed.
//
//   request   "status\n" | "status --json\n"          at most 256 bytes, within 1 s
//   answer    the text, or "error: ...\n"
//
// Only root and the user of the daemon are served (SO_PEERCRED); the socket file has mode 0600. One client at
// a time, each bounded in size and time, so a slow one delays other clients at most and never another thread.
// Thread: control.
#pragma once

#include <stop_token>
#include <string>

#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"
#include "appliance/status.hpp"

namespace ftfw {

class ControlSocket {
 public:
  // Replaces a stale socket file of a daemon that died; a live one is an error.
  static Result<ControlSocket> open(const std::string& path);

  ControlSocket(ControlSocket&&) = default;
  ControlSocket& operator=(ControlSocket&&) = default;
  ~ControlSocket();

  // Until stop is requested.
  void serve(const SharedStatus& status, const std::stop_token& stop);

 private:
  ControlSocket(UniqueFd fd, std::string path) : listener_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd listener_;
  std::string path_;
};

// The client's side: connects, asks, returns the whole answer.
Result<std::string> ask_control_socket(const std::string& path, const std::string& request);

}  // namespace ftfw
