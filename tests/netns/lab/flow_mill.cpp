#include "tests/netns/lab/flow_mill.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {
namespace {

constexpr std::size_t kFlowsASend = 64;
constexpr std::size_t kMostBytesAFlow = 512;
constexpr std::size_t kClientPorts = 50'000;
constexpr std::uint16_t kFirstClientPort = 1'024;
// Beyond those of the lab's services; a forwarded port must not be a client's, nor the other kind's.
constexpr std::uint16_t kFirstServerPort = 3'000;
constexpr std::uint16_t kFirstOpenPort = 500;
constexpr std::uint16_t kFirstForwardedPort = 600;
constexpr std::uint32_t kTimeoutSeconds = 86'400;

NetlinkSocket open_socket(const Lab& lab, Node node) {
  auto socket = run_in(lab.network(node), [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up("flow mill: " + socket.error().text);
  return std::move(*socket);
}

std::uint32_t number(const char* address) {
  return to_sockaddr({address, 0}).sin_addr.s_addr;
}

void name_flow(nf_conntrack* entry, MilledFlow kind, std::size_t index) {
  const bool outgoing = kind == MilledFlow::source_nat;
  nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET);
  nfct_set_attr_u32(entry, ATTR_IPV4_SRC, number(outgoing ? kClientAddress : kServerAddress));
  nfct_set_attr_u32(entry, ATTR_IPV4_DST, number(outgoing ? kServerAddress : kOutsideVirtualAddress));
  nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_TCP);
  const auto client_port = static_cast<std::uint16_t>(kFirstClientPort + index % kClientPorts);
  const std::uint16_t first_port = outgoing ? kFirstServerPort : kFirstOpenPort;
  nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(client_port));
  nfct_set_attr_u16(entry, ATTR_PORT_DST,
                    htons(static_cast<std::uint16_t>(first_port + index / kClientPorts)));
}

void describe_flow(nf_conntrack* entry, MilledFlow kind, std::size_t index) {
  // The plain inverse: the kernel itself makes the translated reply tuple of the NAT below.
  nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
  if (kind == MilledFlow::source_nat) {
    nfct_set_attr_u32(entry, ATTR_SNAT_IPV4, number(kOutsideVirtualAddress));
  } else {
    nfct_set_attr_u32(entry, ATTR_DNAT_IPV4, number(kClientAddress));
    nfct_set_attr_u16(entry, ATTR_DNAT_PORT,
                      htons(static_cast<std::uint16_t>(kFirstForwardedPort + index / kClientPorts)));
  }
  nfct_set_attr_u8(entry, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
  nfct_set_attr_u32(entry, ATTR_STATUS, IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
  nfct_set_attr_u32(entry, ATTR_TIMEOUT, kTimeoutSeconds);
}

}  // namespace

FlowMill::FlowMill(const Lab& lab, Node node, Refusals refusals)
    : socket_(open_socket(lab, node)), refusals_(refusals) {}

void FlowMill::create(MilledFlow kind, std::size_t first, std::size_t count) {
  if (first + count > kMostFlows) give_up("flow mill: at most " + std::to_string(kMostFlows));
  send_all(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, first, count,
           [kind](nf_conntrack* entry, std::size_t index) {
             name_flow(entry, kind, index);
             describe_flow(entry, kind, index);
           });
}

void FlowMill::finish(MilledFlow kind, std::size_t first, std::size_t count) {
  send_all(IPCTNL_MSG_CT_NEW, 0, first, count, [kind](nf_conntrack* entry, std::size_t index) {
    name_flow(entry, kind, index);
    nfct_set_attr_u8(entry, ATTR_TCP_STATE, TCP_CONNTRACK_TIME_WAIT);
  });
}

void FlowMill::destroy(MilledFlow kind, std::size_t first, std::size_t count) {
  send_all(IPCTNL_MSG_CT_DELETE, 0, first, count,
           [kind](nf_conntrack* entry, std::size_t index) { name_flow(entry, kind, index); });
}

void FlowMill::send_all(std::uint16_t message, std::uint16_t flags, std::size_t first, std::size_t count,
                        const std::function<void(nf_conntrack*, std::size_t)>& fill) {
  const std::unique_ptr<nf_conntrack, decltype(&nfct_destroy)> entry(nfct_new(), &nfct_destroy);
  std::vector<std::uint8_t> requests(kFlowsASend * kMostBytesAFlow);
  for (std::size_t index = first; index < first + count;) {
    const std::size_t end = std::min(index + kFlowsASend, first + count);
    std::size_t length = 0;
    for (; index < end; ++index) {
      nlmsghdr* header = mnl_nlmsg_put_header(&requests[length]);
      header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
      header->nlmsg_flags =
          static_cast<std::uint16_t>(NLM_F_REQUEST | flags | (index + 1 == end ? NLM_F_ACK : 0));
      header->nlmsg_seq = ++sequence_;
      auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
      family->nfgen_family = AF_INET;
      family->version = NFNETLINK_V0;
      fill(entry.get(), index);
      if (nfct_nlmsg_build(header, entry.get()) < 0) give_up("flow mill: cannot build a message");
      length += header->nlmsg_len;
    }
    if (auto sent = socket_.send({requests.data(), length}); !sent)
      give_up("flow mill: " + sent.error().text);
    read_answers(sequence_);
  }
}

// Until the answer to the last message of a send.
void FlowMill::read_answers(std::uint32_t last) {
  std::array<std::uint8_t, 32768> buffer{};
  for (bool more = true; more;) {
    const auto got = socket_.receive(buffer);
    if (!got) give_up("flow mill: " + got.error().text);
    more = for_each_message({buffer.data(), *got}, [&](const nlmsghdr& message) {
      if (message.nlmsg_type != NLMSG_ERROR) return true;
      const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
      if (error->error != 0 && refusals_ == Refusals::fatal)
        give_up(std::string("flow mill: ") + std::strerror(-error->error));
      refused_ += error->error != 0 ? 1 : 0;
      return message.nlmsg_seq != last;
    });
  }
}

}  // namespace ftfw::lab
