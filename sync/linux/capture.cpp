#include "sync/linux/capture.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

namespace ftfw::sync {

namespace {

// One event is one datagram, so one system call has to fetch many of them.
constexpr std::size_t kBatch = 64;
// ctnetlink sizes an event for what it carries: below 1.5 KiB with every extension.
constexpr std::size_t kDatagramBytes = 4096;

constexpr int kGroups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY,
                           NFNLGRP_CONNTRACK_EXP_NEW, NFNLGRP_CONNTRACK_EXP_DESTROY};

// The filter sees the netlink header at offset 0. BPF loads big-endian, nlmsg_pid is in host order.
Status ignore_sender(int fd, std::uint32_t port_id) {
  sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(nlmsghdr, nlmsg_pid)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htonl(port_id)},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
  };
  const sock_fprog attach{.len = static_cast<unsigned short>(std::size(program)), .filter = program};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof attach) != 0) {
    return fail_errno("attach the filter of own injections", errno);
  }
  return {};
}

Change change_of(const nlmsghdr& header, std::uint16_t delete_message) {
  if ((header.nlmsg_type & 0xff) == delete_message) return Change::destroyed;
  return (header.nlmsg_flags & NLM_F_CREATE) != 0 ? Change::created : Change::updated;
}

}  // namespace

Capture::Capture(NetlinkSocket socket) : socket_(std::move(socket)), buffers_(kBatch * kDatagramBytes) {}

Result<Capture> Capture::open(const CaptureSettings& settings) {
  auto socket = NetlinkSocket::open(
      {.bus = NETLINK_NETFILTER, .receive_buffer_bytes = settings.receive_buffer_bytes, .blocking = false});
  if (!socket && socket.error().code == EPERM) {
    return fail(Blame::system, "reading conntrack events needs CAP_NET_ADMIN", EPERM);
  }
  if (!socket) return std::unexpected(socket.error());
  // Before the groups, or the first events would pass it.
  if (settings.ignore_port_id != 0) {
    if (auto done = ignore_sender(socket->fd(), settings.ignore_port_id); !done)
      return std::unexpected(done.error());
  }
  for (const int group : kGroups) {
    if (auto joined = socket->join(group); !joined) return std::unexpected(joined.error());
  }
  return Capture(std::move(*socket));
}

Result<Captured> Capture::read() {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::array<sockaddr_nl, kBatch> senders{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {buffers_.data() + i * kDatagramBytes, kDatagramBytes};
    messages[i].msg_hdr = {
        .msg_name = &senders[i], .msg_namelen = sizeof senders[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  Captured captured;
  int count = -1;
  while ((count = ::recvmmsg(fd(), messages.data(), kBatch, MSG_DONTWAIT, nullptr)) < 0) {
    if (errno == EAGAIN) return captured;
    if (errno == ENOBUFS && !captured.overrun) {
      ++counters_.overruns;
      captured.overrun = true;
    } else if (errno != EINTR && errno != ENOBUFS) {
      return fail_errno("read conntrack events", errno, Blame::kernel);
    }
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    if (senders[i].nl_pid != 0) {
      ++counters_.foreign_senders;
    } else if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      ++counters_.unparsable;
    } else {
      take(ByteSpan(buffers_).subspan(i * kDatagramBytes, messages[i].msg_len), captured.events);
    }
  }
  counters_.events += captured.events.size();
  return captured;
}

void Capture::take(ByteSpan datagram, std::vector<Event>& events) {
  for_each_message(datagram, [&](const nlmsghdr& header) {
    const int subsystem = header.nlmsg_type >> 8;
    if (subsystem == NFNL_SUBSYS_CTNETLINK) {
      if (auto entry = parse_conntrack(header)) {
        events.push_back(ConntrackEvent{change_of(header, IPCTNL_MSG_CT_DELETE), std::move(*entry)});
        return true;
      }
    } else if (subsystem == NFNL_SUBSYS_CTNETLINK_EXP) {
      if (auto expectation = parse_expectation(header)) {
        events.push_back(ExpectationEvent{change_of(header, IPCTNL_MSG_EXP_DELETE), std::move(*expectation)});
        return true;
      }
    }
    ++counters_.unparsable;
    return true;
  });
}

}  // namespace ftfw::sync
