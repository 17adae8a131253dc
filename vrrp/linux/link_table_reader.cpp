#include "vrrp/linux/link_table_reader.hpp"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <set>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/time.hpp"
#include "vrrp/linux/rtnetlink_message.hpp"

namespace ftfw::vrrp {
namespace {

constexpr std::size_t kReceiveBytes = 32 * 1024;  // a dump's datagrams are no larger
constexpr int kMaxInterruptions = 20;             // of one question, before the read counts as failed
constexpr std::chrono::milliseconds kRetryPause{200};
// A failure and the tables that follow it are all that can wait at a time.
constexpr std::size_t kMailboxSlots = 2;

using Events = std::vector<LinkTableEvent>;
// A header and at most the name of an interface.
using RequestBytes =
    std::array<std::uint8_t, NLMSG_SPACE(sizeof(ifinfomsg)) + netlink_aligned(sizeof(nlattr) + IF_NAMESIZE)>;

Result<NetlinkSocket> open_question_socket() {
  auto socket = NetlinkSocket::open({.bus = NETLINK_ROUTE});
  if (!socket) return socket;
  // Otherwise a dump of addresses is one of all interfaces.
  const int on = 1;
  if (::setsockopt(socket->fd(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) != 0)
    return fail_errno("NETLINK_GET_STRICT_CHK on a netlink socket", errno);
  return socket;
}

// To the end of the answer, so that the socket can be asked again. Fails with EINTR when the answer is not of
// one moment.
Result<Events> ask(NetlinkSocket& socket, const nlmsghdr& request) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&request);
  if (auto sent = socket.send(ByteSpan(bytes, request.nlmsg_len)); !sent)
    return std::unexpected(sent.error());
  const bool many = (request.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  Events events;
  int error = 0;
  bool interrupted = false;
  alignas(nlmsghdr) std::array<std::uint8_t, kReceiveBytes> buffer;
  for (bool done = false; !done;) {
    const auto got = socket.receive(buffer);
    if (!got) return std::unexpected(got.error());
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      interrupted = interrupted || (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE) {
        // Both begin with a negative errno, or 0.
        const auto* code = header_of<int>(message);
        error = code != nullptr ? -*code : EBADMSG;
        done = true;
        return false;
      }
      if (auto event = link_table_event(message)) events.push_back(std::move(*event));
      done = !many;
      return !done;
    });
  }
  if (error == 0 && interrupted) error = EINTR;
  if (error != 0) return fail_errno("read the links and addresses", error, Blame::kernel);
  return events;
}

nlmsghdr& put_request(RequestBytes& bytes, std::uint16_t type, std::uint16_t flags) {
  nlmsghdr* header = mnl_nlmsg_put_header(bytes.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
  return *header;
}

Result<Events> ask_link(NetlinkSocket& socket, const std::string& interface) {
  alignas(nlmsghdr) RequestBytes bytes{};
  nlmsghdr& request = put_request(bytes, RTM_GETLINK, 0);
  mnl_nlmsg_put_extra_header(&request, sizeof(ifinfomsg));
  if (!mnl_attr_put_strz_check(&request, bytes.size(), IFLA_IFNAME, interface.c_str()))
    return fail(Blame::configuration, interface + ": no name of an interface");
  auto events = ask(socket, request);
  if (!events && events.error().code == ENODEV) return Events{};
  return events;
}

Result<Events> ask_addresses_once(NetlinkSocket& socket, int index, Family family) {
  alignas(nlmsghdr) RequestBytes bytes{};
  nlmsghdr& request = put_request(bytes, RTM_GETADDR, NLM_F_DUMP);
  auto* header = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(&request, sizeof(ifaddrmsg)));
  header->ifa_family = family == Family::ipv4 ? AF_INET : AF_INET6;
  header->ifa_index = static_cast<std::uint32_t>(index);
  return ask(socket, request);
}

// One family at a time: the kernel's answer for all of them ends at the first that an interface does not
// have.
Result<Events> ask_addresses(NetlinkSocket& socket, int index, Family family) {
  auto events = ask_addresses_once(socket, index, family);
  for (int times = 0; !events && events.error().code == EINTR && times < kMaxInterruptions; ++times)
    events = ask_addresses_once(socket, index, family);
  // Deleted since, as its event says, or without this family.
  if (!events && events.error().code == ENODEV) return Events{};
  return events;
}

// The link first: addresses count only for a known index.
Result<Events> ask_interface(NetlinkSocket& socket, const std::string& interface) {
  auto events = ask_link(socket, interface);
  if (!events || events->empty()) return events;
  const auto* link = std::get_if<LinkEvent>(&events->front());
  if (link == nullptr) return events;
  const int index = link->index;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    auto addresses = ask_addresses(socket, index, family);
    if (!addresses) return addresses;
    events->insert(events->end(), addresses->begin(), addresses->end());
  }
  return events;
}

}  // namespace

LinkTableReader::LinkTableReader(std::vector<std::string> interfaces)
    : interfaces_(std::move(interfaces)),
      questions_(kMailboxSlots),
      answers_(kMailboxSlots),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

LinkTableReader::~LinkTableReader() {
  thread_.request_stop();
  questions_.try_post({});  // wakes it; a full mailbox has done so
}

// One interface after the other by its name, and not a dump of all links: that is many datagrams where there
// are many links, and hardly ever of one moment while others make and delete theirs.
Result<LinkTables> LinkTableReader::read_now() const {
  auto socket = open_question_socket();
  if (!socket) return std::unexpected(socket.error());
  LinkTables tables(interfaces_);
  for (const std::string& interface : std::set<std::string>(interfaces_.begin(), interfaces_.end())) {
    const auto events = ask_interface(*socket, interface);
    if (!events) return std::unexpected(events.error());
    for (const LinkTableEvent& event : *events) tables.apply(event);
  }
  return tables;
}

void LinkTableReader::request() {
  questions_.try_post({});
}

void LinkTableReader::work(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "ftfw-links");
  bool asked = false;
  bool failing = false;
  while (!stop.stop_requested()) {
    pollfd question{.fd = questions_.wake_fd(), .events = POLLIN, .revents = 0};
    ::poll(&question, 1, asked ? static_cast<int>(kRetryPause.count()) : -1);
    questions_.clear_wakeups();
    while (questions_.take()) asked = true;
    if (!asked || stop.stop_requested()) continue;
    auto tables = read_now();
    asked = !tables;
    if (tables || !failing) answers_.try_post(std::move(tables));
    failing = asked;
  }
}

}  // namespace ftfw::vrrp
