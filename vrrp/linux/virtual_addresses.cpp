#include "vrrp/linux/virtual_addresses.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace ftfw::vrrp {
namespace {

// Messages in one datagram. The kernel's answers to all of them must fit into the socket's receive buffer (64
// KiB by libnl's default, about a kilobyte each).
constexpr std::size_t kMaxBatch = 32;
// A table that somebody else changes while it is read is read again.
constexpr int kDumpAttempts = 5;

template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Message = std::unique_ptr<nl_msg, Freeing<nlmsg_free>>;
using Callbacks = std::unique_ptr<nl_cb, Freeing<nl_cb_put>>;
using RouteAddress = std::unique_ptr<rtnl_addr, Freeing<rtnl_addr_put>>;
using NetlinkAddress = std::unique_ptr<nl_addr, Freeing<nl_addr_put>>;

// The socket's callbacks, to be changed for one exchange.
Result<Callbacks> copy_callbacks(nl_sock* socket) {
  const Callbacks original(nl_socket_get_cb(socket));  // a reference of its own
  Callbacks copy(nl_cb_clone(original.get()));
  if (!copy) return fail_errno("netlink callbacks", ENOMEM);
  return copy;
}

std::unexpected<Error> fail_netlink(const std::string& what, int nl_error) {
  return fail(Blame::kernel, what + ": " + nl_geterror(nl_error));
}

std::string describe(const VirtualAddress& address) {
  return address.address.to_string() + " on " + address.interface;
}

Result<int> index_of(const std::string& interface) {
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno("interface " + interface, errno);
  return index;
}

// One address of this machine, as a dump reports it.
struct Standing {
  int index = 0;
  IpPrefix address;
  bool ours = false;
};

std::optional<Standing> parse_address(nlmsghdr* header) {
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (header->nlmsg_type != RTM_NEWADDR ||
      nlmsg_parse(header, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* fixed = static_cast<const ifaddrmsg*>(nlmsg_data(header));
  const nlattr* local = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (local == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(nla_data(local));
  const auto address = IpAddress::from_bytes({bytes, static_cast<std::size_t>(nla_len(local))});
  if (!address) return std::nullopt;
  const nlattr* protocol = attributes[IFA_PROTO];
  const bool ours = protocol != nullptr && nla_len(protocol) >= 1 && nla_get_u8(protocol) == kAddressProtocol;
  return Standing{static_cast<int>(fixed->ifa_index), {*address, fixed->ifa_prefixlen}, ours};
}

int collect(nl_msg* message, void* into) {
  if (auto standing = parse_address(nlmsg_hdr(message))) {
    static_cast<std::vector<Standing>*>(into)->push_back(*standing);
  }
  return NL_OK;
}

Result<std::vector<Standing>> dump_addresses(nl_sock* socket) {
  std::vector<Standing> all;
  const auto callbacks = copy_callbacks(socket);
  if (!callbacks) return std::unexpected(callbacks.error());
  nl_cb_set(callbacks->get(), NL_CB_VALID, NL_CB_CUSTOM, collect, &all);
  int got = 0;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    all.clear();
    ifaddrmsg request{};
    const int sent = nl_send_simple(socket, RTM_GETADDR, NLM_F_DUMP, &request, sizeof request);
    if (sent < 0) return fail_netlink("ask for the addresses", sent);
    got = nl_recvmsgs(socket, callbacks->get());
    if (got != -NLE_DUMP_INTR) break;
  }
  if (got < 0) return fail_netlink("read the addresses", got);
  return all;
}

enum class Change { create, renew, remove };

int message_flags(Change change) {
  switch (change) {
    case Change::create:
      return NLM_F_CREATE | NLM_F_EXCL;  // never over one that appeared since we looked
    case Change::renew:
      return NLM_F_CREATE | NLM_F_REPLACE;
    case Change::remove:
      return 0;
  }
  return 0;
}

Result<Message> build(const VirtualAddress& wanted, std::chrono::seconds lifetime, Change change) {
  const auto index = index_of(wanted.interface);
  if (!index) return std::unexpected(index.error());
  const IpPrefix& prefix = wanted.address;
  const ByteSpan bytes = prefix.address.bytes();
  const NetlinkAddress local(nl_addr_build(prefix.address.is_ipv4() ? AF_INET : AF_INET6,
                                           const_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  const RouteAddress address(rtnl_addr_alloc());
  if (!local || !address) return fail_errno("build an address message", ENOMEM);
  nl_addr_set_prefixlen(local.get(), prefix.length);
  rtnl_addr_set_ifindex(address.get(), *index);
  rtnl_addr_set_local(address.get(), local.get());

  nl_msg* built = nullptr;
  int error = 0;
  if (change == Change::remove) {
    error = rtnl_addr_build_delete_request(address.get(), message_flags(change), &built);
  } else {
    const auto seconds = static_cast<std::uint32_t>(lifetime.count());
    rtnl_addr_set_valid_lifetime(address.get(), seconds);
    rtnl_addr_set_preferred_lifetime(address.get(), seconds);
    // A host address needs no route to its own "network".
    if (prefix.is_host()) rtnl_addr_set_flags(address.get(), IFA_F_NOPREFIXROUTE);
    error = rtnl_addr_build_add_request(address.get(), message_flags(change), &built);
  }
  if (error < 0) return fail_netlink("build a message for " + describe(wanted), error);
  Message message(built);
  if (change != Change::remove) {
    error = nla_put_u8(message.get(), IFA_PROTO, kAddressProtocol);
    if (error < 0) return fail_netlink("build a message for " + describe(wanted), error);
  }
  return message;
}

int keep_errno(sockaddr_nl*, nlmsgerr* answer, void* into) {
  *static_cast<int*>(into) = -answer->error;
  return NL_SKIP;
}

// The kernel answers each message; all answers are read even after a refusal, so that the next batch starts
// clean. Returns one errno (or 0) for each message.
Result<std::vector<int>> send_batch(nl_sock* socket, std::span<const Message> messages) {
  std::vector<std::uint8_t> batch;
  for (const Message& message : messages) {
    nl_complete_msg(socket, message.get());  // sequence number, NLM_F_ACK
    const nlmsghdr* header = nlmsg_hdr(message.get());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
    batch.insert(batch.end(), bytes, bytes + header->nlmsg_len);
    batch.resize(static_cast<std::size_t>(NLMSG_ALIGN(batch.size())));
  }
  const int sent = nl_sendto(socket, batch.data(), batch.size());
  if (sent < 0) return fail_netlink("send the addresses", sent);

  std::vector<int> answers(messages.size(), 0);
  for (int& answer : answers) {
    const auto callbacks = copy_callbacks(socket);
    if (!callbacks) return std::unexpected(callbacks.error());
    nl_cb_err(callbacks->get(), NL_CB_CUSTOM, keep_errno, &answer);
    const int got = nl_recvmsgs(socket, callbacks->get());
    if (got < 0) return fail_netlink("read the answers about the addresses", got);
  }
  return answers;
}

struct Planned {
  VirtualAddress address;
  Change change = Change::create;
};

bool is_success(Change change, int error) {
  const bool gone_already = change == Change::remove && (error == EADDRNOTAVAIL || error == ENODEV);
  return error == 0 || gone_already;
}

Status apply_batch(nl_sock* socket, std::span<const Planned> plan, std::chrono::seconds lifetime) {
  Status first_failure;
  std::vector<Message> messages;
  std::vector<const Planned*> sent;
  for (const Planned& step : plan) {
    auto message = build(step.address, lifetime, step.change);
    if (message) {
      messages.push_back(std::move(*message));
      sent.push_back(&step);
    } else if (first_failure) {
      first_failure = std::unexpected(message.error());
    }
  }
  if (messages.empty()) return first_failure;
  const auto answers = send_batch(socket, messages);
  if (!answers) return std::unexpected(answers.error());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const int error = (*answers)[i];
    if (is_success(sent[i]->change, error) || !first_failure) continue;
    const char* verb = sent[i]->change == Change::remove ? "remove " : "set ";
    first_failure = fail_errno(verb + describe(sent[i]->address), error, Blame::kernel);
  }
  return first_failure;
}

// Everything is tried: an address that cannot be set (its interface is gone) must not let the others expire.
Status apply(nl_sock* socket, std::span<const Planned> plan, std::chrono::seconds lifetime) {
  Status first_failure;
  for (std::size_t done = 0; done < plan.size(); done += kMaxBatch) {
    const auto part = plan.subspan(done, std::min(kMaxBatch, plan.size() - done));
    auto applied = apply_batch(socket, part, lifetime);
    if (!applied && first_failure) first_failure = std::move(applied);
  }
  return first_failure;
}

}  // namespace

void VirtualAddresses::Close::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Result<VirtualAddresses> VirtualAddresses::open() {
  VirtualAddresses opened(nl_socket_alloc());
  if (!opened.socket_) return fail_errno("open a netlink socket", ENOMEM);
  const int connected = nl_connect(opened.socket_.get(), NETLINK_ROUTE);
  if (connected < 0) return fail_netlink("open a netlink socket", connected);
  return opened;
}

Status VirtualAddresses::add(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<Planned> plan;
  for (const VirtualAddress& wanted : addresses) {
    const auto index = index_of(wanted.interface);
    if (!index) return std::unexpected(index.error());
    Planned step{wanted, Change::create};
    for (const Standing& other : *standing) {
      if (other.address.address != wanted.address.address) continue;
      // Whatever its prefix length or interface: two of the same address on one machine cannot be meant.
      if (!other.ours) {
        return fail(Blame::configuration,
                    "virtual address " + describe(wanted) + " is already an address of this machine (" +
                        other.address.to_string() + ", not set by this program); it is left as it is",
                    EEXIST);
      }
      if (other.index == *index && other.address == wanted.address) step.change = Change::renew;
    }
    plan.push_back(std::move(step));
  }
  return apply(socket_.get(), plan, lifetime);
}

Status VirtualAddresses::renew(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime) {
  std::vector<Planned> plan;
  for (const VirtualAddress& wanted : addresses) plan.push_back({wanted, Change::renew});
  return apply(socket_.get(), plan, lifetime);
}

Status VirtualAddresses::remove(std::span<const VirtualAddress> addresses) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<Planned> plan;
  for (const VirtualAddress& unwanted : addresses) {
    const auto index = static_cast<int>(::if_nametoindex(unwanted.interface.c_str()));
    const bool stands = std::ranges::any_of(*standing, [&](const Standing& each) {
      return each.ours && each.index == index && each.address == unwanted.address;
    });
    if (stands) plan.push_back({unwanted, Change::remove});
  }
  return apply(socket_.get(), plan, std::chrono::seconds(0));
}

Result<std::vector<VirtualAddress>> VirtualAddresses::list_own(std::span<const std::string> interfaces) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<VirtualAddress> own;
  for (const std::string& interface : interfaces) {
    const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
    for (const Standing& each : *standing) {
      if (each.ours && each.index == index) own.push_back({interface, each.address});
    }
  }
  return own;
}

}  // namespace ftfw::vrrp
