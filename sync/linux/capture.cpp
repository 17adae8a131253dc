#include "sync/linux/capture.hpp"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

namespace ftfw::sync {

namespace {

// One event is one datagram, so one system call has to fetch many of them.
constexpr std::size_t kBatch = 64;
// ctnetlink sizes an event for what it carries: below 1.5 KiB with every extension.
constexpr std::size_t kDatagramBytes = 4096;

constexpr int kConntrackGroups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE,
                                    NFNLGRP_CONNTRACK_DESTROY};
constexpr int kExpectationGroups[] = {NFNLGRP_CONNTRACK_EXP_NEW, NFNLGRP_CONNTRACK_EXP_DESTROY};

Status attach(int fd, const EventFilterSettings& settings) {
  std::vector<sock_filter> program = event_filter(settings);
  if (program.empty()) return {};
  const sock_fprog attach{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof attach) != 0) {
    return fail_errno("attach the filter of conntrack events", errno);
  }
  return {};
}

Status ask_for_another_try(int fd) {
  const int on = 1;
  if (::setsockopt(fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on, sizeof on) != 0) {
    return fail_errno("ask for reliable destroy events", errno);
  }
  return {};
}

// option: NETLINK_ADD_MEMBERSHIP or NETLINK_DROP_MEMBERSHIP.
Status change_membership(int fd, int option, bool expectations) {
  const auto change = [fd, option](int group) {
    return ::setsockopt(fd, SOL_NETLINK, option, &group, sizeof group) == 0;
  };
  bool done = std::ranges::all_of(kConntrackGroups, change);
  if (expectations) done = std::ranges::all_of(kExpectationGroups, change) && done;
  if (!done) return fail_errno("groups of conntrack events", errno);
  return {};
}

Change change_of(const nlmsghdr& header, std::uint16_t delete_message) {
  if ((header.nlmsg_type & 0xff) == delete_message) return Change::destroyed;
  return (header.nlmsg_flags & NLM_F_CREATE) != 0 ? Change::created : Change::updated;
}

}  // namespace

Status CaptureSwitch::listen(bool wanted) {
  if (wanted == listening_) return {};
  const int option = wanted ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP;
  Status changed = change_membership(socket_.get(), option, expectations_);
  if (changed) listening_ = wanted;
  return changed;
}

Capture::Capture(NetlinkSocket socket, bool expectations)
    : socket_(std::move(socket)), expectations_(expectations), buffers_(kBatch * kDatagramBytes) {}

Result<CaptureSwitch> Capture::make_switch() const {
  UniqueFd other(::fcntl(fd(), F_DUPFD_CLOEXEC, 0));
  if (!other) return fail_errno("a second descriptor of conntrack events", errno);
  return CaptureSwitch(std::move(other), expectations_);
}

Result<Capture> Capture::open(const CaptureSettings& settings) {
  auto socket = NetlinkSocket::open(
      {.bus = NETLINK_NETFILTER, .receive_buffer_bytes = settings.receive_buffer_bytes, .blocking = false});
  if (!socket && socket.error().code == EPERM) {
    return fail(Blame::system, "reading conntrack events is not permitted: it needs CAP_NET_ADMIN", EPERM);
  }
  if (!socket) return std::unexpected(socket.error());
  // Before the groups, or the first events would pass it.
  Status ready = attach(socket->fd(), settings.filter);
  if (ready && settings.reliable_destroy) ready = ask_for_another_try(socket->fd());
  if (ready) ready = change_membership(socket->fd(), NETLINK_ADD_MEMBERSHIP, settings.expectations);
  if (!ready) return std::unexpected(ready.error());
  return Capture(std::move(*socket), settings.expectations);
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

CaptureBuffer Capture::buffer() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  // Only figures for people: a kernel that does not know it gives zeros.
  ::getsockopt(fd(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size);
  return {.used_bytes = memory[SK_MEMINFO_RMEM_ALLOC],
          .size_bytes = memory[SK_MEMINFO_RCVBUF],
          .lost_events = memory[SK_MEMINFO_DROPS]};
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
