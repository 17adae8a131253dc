// Which TCP ports of this machine SSH is used on: the sessions that processes called sshd have now, or, if
// there is none, the ports where they listen. A caller that may not look into sshd (a confined service) takes
// the sockets of port 22 for its. Read once, at --check and at the start.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "firewall/ssh_access.hpp"

namespace ftfw {

struct TcpSocket {
  IpAddress local;
  std::uint16_t local_port = 0;
  IpAddress remote;
  bool listens = false;  // else established
  std::uint64_t inode = 0;
};

// /proc/net/tcp or /proc/net/tcp6, without sockets that neither listen nor are established.
std::vector<TcpSocket> parse_tcp_sockets(std::string_view text);

// Those of the sockets that count, as uses. inodes: of sshd's; none: those of port 22.
std::vector<firewall::SshUse> ssh_uses_of(const std::vector<TcpSocket>& sockets,
                                          const std::vector<std::uint64_t>& inodes);

std::vector<firewall::SshUse> read_ssh_uses();

}  // namespace ftfw
