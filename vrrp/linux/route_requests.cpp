#include "vrrp/linux/route_requests.hpp"

#include <cassert>
#include <cerrno>

#include "vrrp/linux/route_socket.hpp"

namespace ftfw::vrrp {
namespace {

constexpr int kDumpAttempts = 5;

using Callbacks = std::unique_ptr<nl_cb, Freeing<nl_cb_put>>;

// The socket's callbacks, to be changed for one exchange.
Result<Callbacks> copy_callbacks(nl_sock* socket) {
  const Callbacks original(nl_socket_get_cb(socket));  // a reference of its own
  Callbacks copy(nl_cb_clone(original.get()));
  if (!copy) return fail_errno("netlink callbacks", ENOMEM);
  return copy;
}

int hand_over(nl_msg* message, void* into) {
  (*static_cast<const std::function<void(nlmsghdr&)>*>(into))(*nlmsg_hdr(message));
  return NL_OK;
}

int keep_errno(sockaddr_nl*, nlmsgerr* answer, void* into) {
  *static_cast<int*>(into) = -answer->error;
  return NL_SKIP;
}

}  // namespace

void CloseRouteSocket::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Result<RouteSocket> open_route_socket() {
  RouteSocket opened(nl_socket_alloc());
  if (!opened) return fail_errno("open a netlink socket", ENOMEM);
  const int connected = nl_connect(opened.get(), NETLINK_ROUTE);
  if (connected < 0) return fail_netlink("open a netlink socket", connected);
  return opened;
}

std::unexpected<Error> fail_netlink(const std::string& what, int nl_error) {
  return fail(Blame::kernel, what + ": " + nl_geterror(nl_error));
}

NetlinkAddress netlink_address(const IpPrefix& prefix) {
  const ByteSpan bytes = prefix.address.bytes();
  NetlinkAddress built(
      nl_addr_build(prefix.address.is_ipv4() ? AF_INET : AF_INET6, bytes.data(), bytes.size()));
  if (built) nl_addr_set_prefixlen(built.get(), prefix.length);
  return built;
}

std::optional<IpAddress> address_in(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(nla_data(attribute));
  return IpAddress::from_bytes({bytes, static_cast<std::size_t>(nla_len(attribute))});
}

Status dump(nl_sock* socket, int request, std::span<const std::uint8_t> header,
            const std::function<void()>& restart, const std::function<void(nlmsghdr&)>& take) {
  const auto callbacks = copy_callbacks(socket);
  if (!callbacks) return std::unexpected(callbacks.error());
  std::function<void(nlmsghdr&)> handler = take;
  nl_cb_set(callbacks->get(), NL_CB_VALID, NL_CB_CUSTOM, hand_over, &handler);
  int got = 0;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    restart();
    ByteVector bytes(header.begin(), header.end());
    const int sent = nl_send_simple(socket, request, NLM_F_DUMP, bytes.data(), bytes.size());
    if (sent < 0) return fail_netlink("ask for a table of the kernel", sent);
    got = nl_recvmsgs(socket, callbacks->get());
    if (got != -NLE_DUMP_INTR) break;
  }
  if (got < 0) return fail_netlink("read a table of the kernel", got);
  return {};
}

Result<std::vector<int>> send_batch(nl_sock* socket, std::span<const Message> messages) {
  assert(messages.size() <= kMaxBatch);
  ByteVector batch;
  for (const Message& message : messages) {
    nl_complete_msg(socket, message.get());  // sequence number, NLM_F_ACK
    const nlmsghdr* header = nlmsg_hdr(message.get());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
    batch.insert(batch.end(), bytes, bytes + header->nlmsg_len);
    batch.resize(static_cast<std::size_t>(NLMSG_ALIGN(batch.size())));
  }
  const int sent = nl_sendto(socket, batch.data(), batch.size());
  if (sent < 0) return fail_netlink("send netlink requests", sent);

  std::vector<int> answers(messages.size(), 0);
  for (int& answer : answers) {
    const auto callbacks = copy_callbacks(socket);
    if (!callbacks) return std::unexpected(callbacks.error());
    nl_cb_err(callbacks->get(), NL_CB_CUSTOM, keep_errno, &answer);
    const int got = nl_recvmsgs(socket, callbacks->get());
    if (got < 0) return fail_netlink("read the answers to netlink requests", got);
  }
  return answers;
}

}  // namespace ftfw::vrrp
