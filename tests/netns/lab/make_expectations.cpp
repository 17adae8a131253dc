// By hand: libnetfilter_conntrack loses class, NAT and function when it builds an expectation.
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/flow_sample_table.hpp"
#include "tests/netns/lab/flow_samples.hpp"
#include "tests/netns/lab/kernel_table.hpp"

namespace ftfw::lab {
namespace {

constexpr std::uint32_t kReplyDirection = 1;  // IP_CT_DIR_REPLY

struct Expected {
  const char* name;
  bool ipv6;
  std::uint8_t protocol;  // of master and expected
  std::uint16_t master_port, master_at;
  const char* helper;
  std::uint16_t source_port, port;  // 0: any
  std::uint32_t flags, expect_class;
  bool nat;
  const char* function;
  std::uint16_t zone = 0;
};
constexpr Expected kExpected[] = {
    {"expectation from anywhere", false, IPPROTO_TCP, 1601, 21, "ftp", 0, 20'001, 0, 0, false, ""},
    {"expectation with NAT and function", false, IPPROTO_TCP, 1602, 21, "ftp", 0, 20'002, 0, 0, true,
     "nat-follow-master"},
    {"expectation with class and flags", false, IPPROTO_UDP, 1603, 5060, "sip", 30'000, 30'002,
     NF_CT_EXPECT_PERMANENT, 1, false, ""},
    {"expectation in a zone", false, IPPROTO_TCP, 1606, 21, "ftp", 0, 20'003, 0, 0, false, "", 9},
    {"expectation, IPv6", true, IPPROTO_UDP, 1604, 69, "tftp", 69, 1604, 0, 0, false, ""},
};

void put_tuple(nlmsghdr* message, std::uint16_t type, bool ipv6, std::uint8_t protocol, const char* from,
               std::uint16_t port, const char* to, std::uint16_t at) {
  nlattr* tuple = mnl_attr_nest_start(message, type);
  nlattr* ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
  if (ipv6) {
    const in6_addr source = ipv6_number(from);
    const in6_addr destination = ipv6_number(to);
    mnl_attr_put(message, CTA_IP_V6_SRC, sizeof source, &source);
    mnl_attr_put(message, CTA_IP_V6_DST, sizeof destination, &destination);
  } else {
    mnl_attr_put_u32(message, CTA_IP_V4_SRC, ipv4_number(from));
    mnl_attr_put_u32(message, CTA_IP_V4_DST, ipv4_number(to));
  }
  mnl_attr_nest_end(message, ip);
  nlattr* proto = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(port));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(at));
  mnl_attr_nest_end(message, proto);
  mnl_attr_nest_end(message, tuple);
}

// A deletion needs only the names.
void build(nlmsghdr* message, const Expected& wanted, bool deletion) {
  message->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK_EXP << 8 |
                                                   (deletion ? IPCTNL_MSG_EXP_DELETE : IPCTNL_MSG_EXP_NEW));
  message->nlmsg_flags =
      static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | (deletion ? 0 : NLM_F_CREATE | NLM_F_EXCL));
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  family->nfgen_family = wanted.ipv6 ? AF_INET6 : AF_INET;
  const char* client = wanted.ipv6 ? "2001:db8:2::3" : "192.168.2.3";
  const char* server = wanted.ipv6 ? "2001:db8::3" : "192.168.0.3";
  const char* ones = wanted.ipv6 ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "255.255.255.255";
  const auto port_mask = static_cast<std::uint16_t>(wanted.source_port != 0 ? 0xffff : 0);
  put_tuple(message, CTA_EXPECT_MASTER, wanted.ipv6, wanted.protocol, client, wanted.master_port, server,
            wanted.master_at);
  put_tuple(message, CTA_EXPECT_TUPLE, wanted.ipv6, wanted.protocol, client, wanted.source_port, server,
            wanted.port);
  put_tuple(message, CTA_EXPECT_MASK, wanted.ipv6, wanted.protocol, ones, port_mask, ones, 0xffff);
  if (wanted.zone != 0) mnl_attr_put_u16(message, CTA_EXPECT_ZONE, htons(wanted.zone));
  if (deletion) return;
  mnl_attr_put_u32(message, CTA_EXPECT_TIMEOUT, htonl(kSampleTimeoutSeconds));
  mnl_attr_put_u32(message, CTA_EXPECT_FLAGS, htonl(wanted.flags));
  mnl_attr_put_u32(message, CTA_EXPECT_CLASS, htonl(wanted.expect_class));
  mnl_attr_put_strz(message, CTA_EXPECT_HELP_NAME, wanted.helper);
  if (wanted.nat) {
    nlattr* nat = mnl_attr_nest_start(message, CTA_EXPECT_NAT);
    mnl_attr_put_u32(message, CTA_EXPECT_NAT_DIR, htonl(kReplyDirection));
    put_tuple(message, CTA_EXPECT_NAT_TUPLE, wanted.ipv6, wanted.protocol, client, 20'002, "0.0.0.0", 0);
    mnl_attr_nest_end(message, nat);
  }
  if (*wanted.function != '\0') mnl_attr_put_strz(message, CTA_EXPECT_FN, wanted.function);
}

// 0 or errno.
int ask(NetlinkSocket& socket, const Expected& wanted, bool deletion) {
  std::array<std::uint8_t, 8192> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  build(message, wanted, deletion);
  if (auto sent = socket.send({buffer.data(), message->nlmsg_len}); !sent) give_up(sent.error().text);
  const auto got = socket.receive(buffer);
  if (!got) give_up(got.error().text);
  int refused = EPROTO;
  for_each_message({buffer.data(), *got}, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == NLMSG_ERROR)
      refused = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&answer))->error;
    return true;
  });
  return refused;
}

bool a_zone_is_reported(const Lab& lab, Node node) {
  const auto look = [](const nlattr* attribute, void* found) -> int {
    *static_cast<bool*>(found) |= mnl_attr_get_type(attribute) == CTA_EXPECT_ZONE;
    return MNL_CB_OK;
  };
  bool found = false;
  const KernelTable table = kernel_table(lab, node);
  for (const auto& [key, message] : table.expectations) {
    mnl_attr_parse(reinterpret_cast<const nlmsghdr*>(message.data()), sizeof(nfgenmsg), look, &found);
  }
  return found;
}

}  // namespace

std::vector<MadeSample> make_expectations(const Lab& lab, Node node) {
  auto socket = run_in(lab.network(node), [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up(socket.error().text);
  std::vector<MadeSample> made;
  for (const Expected& wanted : kExpected) {
    MadeSample sample{wanted.name, std::nullopt};
    if (const int refused = ask(*socket, wanted, false)) {
      sample.not_offered = std::strerror(refused);
    } else if (wanted.zone != 0 && !a_zone_is_reported(lab, node)) {
      sample.not_offered = "the kernel keeps its zone and does not report it";
      ask(*socket, wanted, true);
    }
    made.push_back(std::move(sample));
  }
  return made;
}

}  // namespace ftfw::lab
