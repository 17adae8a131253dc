#include "sync/linux/channel.hpp"

#include "sync/linux/dtls_channel.hpp"
#include "sync/linux/plain_channel.hpp"
#include "sync/linux/udp_socket.hpp"

namespace ftfw::sync {

Result<std::unique_ptr<Channel>> make_channel(ChannelSettings settings) {
  auto socket = UdpSocket::open({.own_address = settings.own_address,
                                 .peer_address = settings.peer_address,
                                 .port = settings.port,
                                 .interface = settings.interface});
  if (!socket) return std::unexpected(socket.error());
  return make_channel_over(std::move(settings), std::move(*socket));
}

Result<std::unique_ptr<Channel>> make_channel_over(ChannelSettings settings,
                                                   std::unique_ptr<DatagramPort> port) {
  if (settings.node == settings.peer) {
    return fail(Blame::configuration, "both nodes have the name '" + settings.node + "'");
  }
  if (settings.insecure) return std::make_unique<PlainChannel>(std::move(settings), std::move(port));
  return DtlsChannel::make(std::move(settings), std::move(port));
}

}  // namespace ftfw::sync
