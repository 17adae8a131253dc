#include "vrrp/linux/link_watch.hpp"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "vrrp/linux/rtnetlink_message.hpp"

namespace ftfw::vrrp {
namespace {

constexpr std::size_t kReceiveBytes = 32 * 1024;  // a dump's datagrams are no larger
constexpr int kSocketBufferBytes = 1024 * 1024;
constexpr int kMaxDatagramsPerRead = 256;  // so that a storm of events cannot keep the thread here

using Buffer = std::array<std::uint8_t, kReceiveBytes>;

}  // namespace

LinkWatch::LinkWatch(NetlinkSocket events, std::vector<std::string> interfaces) : events_(std::move(events)) {
  for (std::string& name : interfaces)
    entries_.push_back({.name = std::move(name), .state = {}, .addresses = {}});
}

Result<LinkWatch> LinkWatch::open(std::vector<std::string> interfaces) {
  auto events = NetlinkSocket::open({.bus = NETLINK_ROUTE,
                                     .groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                                     .receive_buffer_bytes = kSocketBufferBytes,
                                     .blocking = false});
  if (!events) return std::unexpected(events.error());
  LinkWatch watch(std::move(*events), std::move(interfaces));
  // After joining the groups, so that nothing falls between the tables and the first event.
  if (auto read = watch.read_tables(); !read) return std::unexpected(read.error());
  return watch;
}

Status LinkWatch::read_tables() {
  // What is known stays until all of the new is there: a failed dump must not look like a lost link.
  const std::vector<Entry> known = entries_;
  for (Entry& entry : entries_) {
    entry.state = {};
    entry.addresses.clear();
  }
  Status read = dump(RTM_GETLINK);
  if (read) read = dump(RTM_GETADDR);
  if (!read) {
    entries_ = known;
    return read;
  }
  tables_are_stale_ = false;
  return {};
}

// On a socket of its own: an answer must not be mixed with events.
Status LinkWatch::dump(std::uint16_t request) {
  auto socket = NetlinkSocket::open({.bus = NETLINK_ROUTE});
  if (!socket) return std::unexpected(socket.error());
  alignas(nlmsghdr) std::array<std::uint8_t, NLMSG_SPACE(sizeof(ifinfomsg))> bytes{};
  nlmsghdr* header = mnl_nlmsg_put_header(bytes.data());
  header->nlmsg_type = request;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  // Both requests begin with a family, here none; the kernel takes the longer header for either.
  mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg));
  if (auto sent = socket->send(ByteSpan(bytes).first(header->nlmsg_len)); !sent) return sent;

  alignas(nlmsghdr) Buffer buffer;
  for (bool done = false; !done;) {
    const auto got = socket->receive(buffer);
    if (!got) return std::unexpected(got.error());
    int error = 0;
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      if (message.nlmsg_type == NLMSG_ERROR) {
        const auto* answer = header_of<nlmsgerr>(message);
        error = answer != nullptr ? -answer->error : EBADMSG;
      }
      done = message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR;
      if (!done) take(message);
      return !done;
    });
    if (error != 0) return fail_errno("read the links and addresses", error, Blame::kernel);
  }
  return {};
}

Result<std::vector<LinkChange>> LinkWatch::read() {
  std::vector<LinkState> before;
  for (const Entry& entry : entries_) before.push_back(entry.state);

  bool drained = false;
  alignas(nlmsghdr) Buffer buffer;
  for (int datagrams = 0; datagrams < kMaxDatagramsPerRead && !drained; ++datagrams) {
    const auto got = events_.receive(buffer);
    if (!got && got.error().code == ENOBUFS) {
      ++lost_events_;
      tables_are_stale_ = true;
      continue;
    }
    if (!got) return std::unexpected(got.error());
    drained = *got == 0;
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      take(message);
      return true;
    });
  }
  // Once events were lost, the kernel drops all further ones without a word until the last waiting one has
  // been read (NETLINK_S_CONGESTED in net/netlink/af_netlink.c): the tables count from then on.
  if (tables_are_stale_ && drained) {
    if (auto tables = read_tables(); !tables) return std::unexpected(tables.error());
  }

  std::vector<LinkChange> changes;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const LinkState& now = entries_[i].state;
    if (now != before[i]) changes.push_back({i, now, now.exists() && now.index != before[i].index});
  }
  return changes;
}

void LinkWatch::Entry::choose_addresses() {
  state.ipv4.reset();
  state.link_local.reset();
  for (const Address& each : addresses) {
    if (each.address.is_ipv4()) {
      // The kernel's own choice: the first that is not secondary.
      const bool primary = (each.flags & IFA_F_SECONDARY) == 0;
      if (primary && !state.ipv4) state.ipv4 = each.address;
      continue;
    }
    const bool usable = (each.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    if (!usable || !each.address.is_link_local()) continue;
    // Of several the lowest: the kernel lists them in another order than that of its events.
    if (!state.link_local || each.address < *state.link_local) state.link_local = each.address;
  }
}

void LinkWatch::take(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return take_link(message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return take_address(message);
    default:
      return;  // a netlink message type is a number and no enum: others do not concern us
  }
}

void LinkWatch::take_link(const nlmsghdr& message) {
  const auto* link = header_of<ifinfomsg>(message);
  // A bridge reports its ports in messages of its own family, whose deletion is not the interface's.
  if (link == nullptr || link->ifi_family != AF_UNSPEC) return;
  const auto attributes = attributes_of<IFLA_IFNAME + 1>(message, sizeof(ifinfomsg));
  if (attributes[IFLA_IFNAME] == nullptr) return;
  const std::string_view name = text_of(attributes[IFLA_IFNAME]);
  const bool deleted = message.nlmsg_type == RTM_DELLINK;
  for (Entry& entry : entries_) {
    const bool was_ours = entry.state.index == link->ifi_index;
    const bool is_ours = entry.name == name && !deleted;
    if (was_ours && !is_ours) {  // deleted or renamed
      entry.state = {};
      entry.addresses.clear();
    }
    if (!is_ours) continue;
    // Addresses that a newly appeared or renamed interface brought along were reported under the old name.
    if (!was_ours) tables_are_stale_ = true;
    entry.state.index = link->ifi_index;
    entry.state.up = (link->ifi_flags & IFF_UP) != 0 && (link->ifi_flags & IFF_RUNNING) != 0;
  }
}

void LinkWatch::take_address(const nlmsghdr& message) {
  const auto* header = header_of<ifaddrmsg>(message);
  if (header == nullptr) return;
  const auto attributes = attributes_of<IFA_PROTO + 1>(message, sizeof(ifaddrmsg));
  const nlattr* local = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (local == nullptr) return;
  const auto address = IpAddress::from_bytes(payload_of(local));
  if (!address || is_own_address(attributes[IFA_PROTO])) return;

  const Address taken{*address, header->ifa_prefixlen, header->ifa_flags};
  for (Entry& entry : entries_) {
    if (entry.state.index != static_cast<int>(header->ifa_index)) continue;
    const auto known = std::ranges::find_if(entry.addresses, [&](const Address& each) {
      return each.address == taken.address && each.prefix_length == taken.prefix_length;
    });
    if (message.nlmsg_type == RTM_DELADDR) {
      if (known != entry.addresses.end()) entry.addresses.erase(known);
    } else if (known != entry.addresses.end()) {
      *known = taken;
    } else {
      entry.addresses.push_back(taken);
    }
    entry.choose_addresses();
  }
}

}  // namespace ftfw::vrrp
