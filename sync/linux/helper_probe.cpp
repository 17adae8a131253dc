#include "sync/linux/helper_probe.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "appliance/base/netlink_socket.hpp"
#include "sync/linux/conntrack_codec.hpp"

namespace ftfw::sync {

namespace {

constexpr std::uint32_t kProbeSeconds = 5;
constexpr std::size_t kAnswerBytes = 16 << 10;

struct Answer {
  int error = 0;  // errno of the refusal
  std::optional<ConntrackEntry> entry;
};

// The kernel works on a request inside sendmsg, so its whole answer is there afterwards.
Result<Answer> ask(NetlinkSocket& socket, const ByteVector& request) {
  if (const Status sent = socket.send(request); !sent) return std::unexpected(sent.error());
  Answer answer;
  ByteVector buffer(kAnswerBytes);
  for (;;) {
    const auto got = socket.receive(buffer);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return answer;
    for_each_message(ByteSpan(buffer).first(*got), [&answer](const nlmsghdr& header) {
      if (header.nlmsg_type == NLMSG_ERROR) {
        std::int32_t code = 0;
        if (header.nlmsg_len < sizeof header + sizeof code) return true;
        std::memcpy(&code, reinterpret_cast<const std::uint8_t*>(&header) + sizeof header, sizeof code);
        answer.error = -code;
      } else if (header.nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK) {
        if (auto entry = parse_conntrack(header)) answer.entry = std::move(*entry);
      }
      return true;
    });
  }
}

std::unexpected<Error> refused(const std::string& helper, int code) {
  return fail_errno("the kernel refuses a flow with the helper " + helper, code, Blame::kernel);
}

}  // namespace

ConntrackEntry helper_probe_entry(const std::string& helper, std::uint8_t protocol) {
  ConntrackEntry entry;
  entry.key.original = {.source = IpAddress::ipv4({192, 0, 2, 1}),
                        .destination = IpAddress::ipv4({192, 0, 2, 2}),
                        .protocol = protocol,
                        .source_port = 49'152,
                        .destination_port = 9};
  entry.reply = entry.key.original.inverse();
  // Translated, because the helper is lost where the translation is set up.
  entry.reply.destination = IpAddress::ipv4({192, 0, 2, 3});
  entry.status = status::kConfirmed | status::kSeenReply;
  entry.timeout_s = kProbeSeconds;
  entry.helper = helper;
  if (protocol == IPPROTO_TCP) entry.tcp = TcpInfo{.state = TcpState::established};
  return entry;
}

HelperFate helper_fate(const ConntrackEntry& read_back, const std::string& helper) {
  return read_back.helper == helper ? HelperFate::kept : HelperFate::lost;
}

Result<HelperFate> probe_helper(const std::string& helper, std::uint8_t protocol) {
  auto socket = NetlinkSocket::open({.bus = NETLINK_NETFILTER, .blocking = false});
  if (!socket) return std::unexpected(socket.error());
  const ConntrackEntry entry = helper_probe_entry(helper, protocol);
  std::uint32_t sequence = 0;
  const auto head = [&sequence] { return RequestHead{.sequence = ++sequence, .acknowledge = true}; };
  const auto remove = [&] {
    ByteVector request;
    append_delete(request, head(), entry.key);
    return ask(*socket, request);
  };
  // Left by a process that died in between, or not there.
  if (const auto removed = remove(); !removed) return std::unexpected(removed.error());
  ByteVector create;
  append_create(create, head(), entry, false);
  const auto created = ask(*socket, create);
  if (!created) return std::unexpected(created.error());
  if (created->error != 0) return refused(helper, created->error);
  ByteVector get;
  append_conntrack_get(get, head(), entry.key);
  const auto read_back = ask(*socket, get);
  if (const auto removed = remove(); !removed) return std::unexpected(removed.error());
  if (!read_back) return std::unexpected(read_back.error());
  if (!read_back->entry) return refused(helper, read_back->error != 0 ? read_back->error : ENOENT);
  return helper_fate(*read_back->entry, helper);
}

std::string helper_loss_text(const std::string& helper, const std::string& release) {
  return "this kernel (" + release + ") loses the helper of injected flows (" + helper + "): what " + helper +
         " expects is not let through after a takeover; fixed in 5.10.101, 5.15.24, 5.16.10 and 5.17";
}

}  // namespace ftfw::sync
