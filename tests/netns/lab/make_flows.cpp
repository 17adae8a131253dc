#include "tests/netns/lab/make_flows.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <array>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

#include "appliance/base/clock.hpp"
#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/sockets.hpp"

namespace ftfw::lab {
namespace {

constexpr std::size_t kFlowsASend = 64;
constexpr std::size_t kClientPorts = 30'000;
constexpr std::uint16_t kFirstClientPort = 1'024;
constexpr std::array<std::uint16_t, 4> kServerPorts{80, 443, 22, 21};  // allowed by the reference ruleset
constexpr std::uint16_t kFirstOtherPort = 2'000;                       // of the server, beyond those
constexpr std::uint32_t kTimeoutSeconds = 86'400;
constexpr std::size_t kMostBytesAFlow = 512;

using Conntrack = std::unique_ptr<nf_conntrack, decltype([](nf_conntrack* entry) { nfct_destroy(entry); })>;

std::uint32_t number(const char* address) {
  return to_sockaddr({address, 0}).sin_addr.s_addr;
}

std::uint16_t server_port(std::size_t index) {
  if (index < kServerPorts.size()) return kServerPorts[index];
  return static_cast<std::uint16_t>(kFirstOtherPort + index);
}

Conntrack flow(std::size_t index) {
  Conntrack entry(nfct_new());
  nfct_set_attr_u8(entry.get(), ATTR_L3PROTO, AF_INET);
  nfct_set_attr_u32(entry.get(), ATTR_IPV4_SRC, number(kClientAddress));
  nfct_set_attr_u32(entry.get(), ATTR_IPV4_DST, number(kServerAddress));
  nfct_set_attr_u8(entry.get(), ATTR_L4PROTO, IPPROTO_TCP);
  nfct_set_attr_u16(entry.get(), ATTR_PORT_SRC,
                    htons(static_cast<std::uint16_t>(kFirstClientPort + index % kClientPorts)));
  nfct_set_attr_u16(entry.get(), ATTR_PORT_DST, htons(server_port(index / kClientPorts)));
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

Duration thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
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

PreparedFlows::PreparedFlows(std::size_t count, std::size_t first) : count_(count) {
  if (first + count > kMost) give_up("make_flows: at most " + std::to_string(kMost));
  std::array<std::uint8_t, kMostBytesAFlow> request{};
  for (std::size_t index = first; index < first + count; ++index) {
    const bool last = (index - first + 1) % kFlowsASend == 0 || index + 1 == first + count;
    const std::size_t length = append_request(request.data(), index, last);
    bytes_.insert(bytes_.end(), request.begin(), request.begin() + static_cast<std::ptrdiff_t>(length));
    if (last) sends_.push_back({.end = bytes_.size(), .last = static_cast<std::uint32_t>(index + 1)});
  }
}

PreparedFlows::Cost PreparedFlows::create_in(const NetNamespace& network,
                                             std::optional<std::size_t> per_second) const {
  auto socket = run_in(network, [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up("make_flows: " + socket.error().text);
  const Instant begin = monotonic_now();
  const Duration processor = thread_time();
  std::size_t sent = 0;
  for (std::size_t index = 0; index < sends_.size(); ++index) {
    if (per_second) {
      const Instant due = begin + Duration(1s) * (index * kFlowsASend) / *per_second;
      std::this_thread::sleep_for(due - monotonic_now());
    }
    const ByteSpan requests = ByteSpan(bytes_).subspan(sent, sends_[index].end - sent);
    if (auto done = socket->send(requests); !done) give_up("make_flows: " + done.error().text);
    read_answers(*socket, sends_[index].last);
    sent = sends_[index].end;
  }
  return {.elapsed = monotonic_now() - begin, .processor = thread_time() - processor};
}

void make_flows(const Lab& lab, Node node, std::size_t count) {
  PreparedFlows(count).create_in(lab.network(node));
}

}  // namespace ftfw::lab
