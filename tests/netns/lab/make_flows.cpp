#include "tests/netns/lab/make_flows.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {
namespace {

constexpr std::size_t kFlowsASend = 64;
constexpr std::size_t kClientPorts = 30'000;
constexpr std::uint16_t kFirstClientPort = 1'024;
constexpr std::array<std::uint16_t, 4> kServerPorts{80, 443, 22, 21};
constexpr std::uint32_t kTimeoutSeconds = 86'400;
constexpr std::size_t kMostBytesAFlow = 512;

using Conntrack = std::unique_ptr<nf_conntrack, decltype([](nf_conntrack* entry) { nfct_destroy(entry); })>;

std::uint32_t number(const char* address) {
  return to_sockaddr({address, 0}).sin_addr.s_addr;
}

Conntrack flow(std::size_t index) {
  Conntrack entry(nfct_new());
  nfct_set_attr_u8(entry.get(), ATTR_L3PROTO, AF_INET);
  nfct_set_attr_u32(entry.get(), ATTR_IPV4_SRC, number(kClientAddress));
  nfct_set_attr_u32(entry.get(), ATTR_IPV4_DST, number(kServerAddress));
  nfct_set_attr_u8(entry.get(), ATTR_L4PROTO, IPPROTO_TCP);
  nfct_set_attr_u16(entry.get(), ATTR_PORT_SRC,
                    htons(static_cast<std::uint16_t>(kFirstClientPort + index % kClientPorts)));
  nfct_set_attr_u16(entry.get(), ATTR_PORT_DST, htons(kServerPorts[index / kClientPorts]));
  // The plain inverse: the kernel itself makes the translated reply tuple of the NAT below.
  nfct_setobjopt(entry.get(), NFCT_SOPT_SETUP_REPLY);
  nfct_set_attr_u32(entry.get(), ATTR_SNAT_IPV4, number(kOutsideVirtualAddress));
  nfct_set_attr_u8(entry.get(), ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
  nfct_set_attr_u32(entry.get(), ATTR_STATUS, IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
  nfct_set_attr_u32(entry.get(), ATTR_TIMEOUT, kTimeoutSeconds);
  return entry;
}

// Appends the request for one flow; returns its length.
std::size_t append_request(std::uint8_t* where, std::size_t index, bool answered) {
  nlmsghdr* header = mnl_nlmsg_put_header(where);
  header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  header->nlmsg_flags =
      static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | (answered ? NLM_F_ACK : 0));
  header->nlmsg_seq = static_cast<std::uint32_t>(index + 1);
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  family->nfgen_family = AF_INET;
  family->version = NFNETLINK_V0;
  if (nfct_nlmsg_build(header, flow(index).get()) < 0) give_up("make_flows: cannot build a message");
  return header->nlmsg_len;
}

// Until the acknowledgement of the last message of a send; an error of any of them ends the test.
void read_answers(NetlinkSocket& socket, std::uint32_t last) {
  std::array<std::uint8_t, 32768> buffer{};
  for (bool more = true; more;) {
    const auto got = socket.receive(buffer);
    if (!got) give_up("make_flows: " + got.error().text);
    more = for_each_message({buffer.data(), *got}, [&](const nlmsghdr& message) {
      if (message.nlmsg_type != NLMSG_ERROR) return true;
      const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
      if (error->error != 0) give_up(std::string("make_flows: ") + std::strerror(-error->error));
      return message.nlmsg_seq != last;
    });
  }
}

}  // namespace

void make_flows(const Lab& lab, Node node, std::size_t count) {
  if (count > kMostFlows) give_up("make_flows: at most " + std::to_string(kMostFlows));
  auto socket = run_in(lab.network(node), [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up("make_flows: " + socket.error().text);
  std::array<std::uint8_t, kFlowsASend * kMostBytesAFlow> requests{};
  for (std::size_t index = 0; index < count;) {
    const std::size_t end = std::min(index + kFlowsASend, count);
    std::size_t length = 0;
    for (; index < end; ++index) length += append_request(&requests[length], index, index + 1 == end);
    if (auto sent = socket->send({requests.data(), length}); !sent)
      give_up("make_flows: " + sent.error().text);
    read_answers(*socket, static_cast<std::uint32_t>(end));
  }
}

}  // namespace ftfw::lab
