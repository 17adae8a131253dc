// The listening end of the control socket (UNIX, stream). Only root and the user of the daemon are served
// (SO_PEERCRED); the socket file has mode 0600.
#pragma once

#include <string>

#include "appliance/base/result.hpp"
#include "appliance/base/unique_fd.hpp"

namespace ftfw {

class ControlSocket {
 public:
  // Replaces a stale socket file of a daemon that died; a live one is an error.
  static Result<ControlSocket> open(const std::string& path);

  ControlSocket(ControlSocket&&) = default;
  ControlSocket& operator=(ControlSocket&&) = default;
  ~ControlSocket();

  int fd() const { return listener_.get(); }
  // The next client, or none. Neither the listener nor the client's descriptor ever blocks.
  UniqueFd accept() const;

 private:
  ControlSocket(UniqueFd fd, std::string path) : listener_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd listener_;
  std::string path_;
};

// Whether the program at the other end is root's or our own user's.
bool may_ask(int client);

// A connection to the daemon that listens at path. Blocking.
Result<UniqueFd> connect_to_control_socket(const std::string& path);

}  // namespace ftfw
